//! The page and its files, compiled in. A browser fetches nothing from elsewhere, and the policy forbids
//! it to.

use std::sync::LazyLock;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag},
    web,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use super::super::refusal;

/// Scripts and styles are files; the chart library sets styles by script only.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const JS: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// A file of the page.
struct File {
    name: &'static str,
    content_type: &'static str,
    content: &'static str,
}

macro_rules! file {
    ($name:literal, $content_type:expr) => {
        File {
            name: $name,
            content_type: $content_type,
            content: include_str!(concat!("assets/", $name)),
        }
    };
}

const PAGE: File = file!("page.html", "text/html; charset=utf-8");

static FILES: [File; 13] = [
    file!("console.css", CSS),
    file!("main.js", JS),
    file!("figures.js", JS),
    file!("format.js", JS),
    file!("first_row.js", JS),
    file!("map.js", JS),
    file!("hottest.js", JS),
    file!("checkout.js", JS),
    file!("audit.js", JS),
    file!("charts.js", JS),
    file!("vendor.js", JS),
    file!("vendor/uplot.js", JS),
    file!("vendor/uplot.css", CSS),
];

const ICON: File = file!("icon.svg", "image/svg+xml");

/// `GET /ops`.
pub(super) async fn page(request: HttpRequest) -> HttpResponse {
    served(&request, &PAGE)
}

/// `GET /ops/assets/{file}`.
pub(super) async fn file(name: web::Path<String>, request: HttpRequest) -> HttpResponse {
    let mut files = FILES.iter().chain([&ICON]);
    match files.find(|file| file.name == name.as_str()) {
        Some(file) => served(&request, file),
        None => refusal(
            &mut HttpResponse::NotFound(),
            "NOT_FOUND",
            "The console has no such file; it is at /ops.",
        ),
    }
}

/// The tag of all files together.
pub(super) fn page_tag() -> &'static str {
    static TAG: LazyLock<String> = LazyLock::new(|| {
        let files = FILES.iter().chain([&PAGE]);
        let contents: String = files.map(|file| file.content).collect();
        tag_of(&contents).tag().to_owned()
    });
    &TAG
}

/// A browser asks again each time, and gets a file only if it is another one: after an upgrade no page is
/// made of old and new files.
fn served(request: &HttpRequest, file: &File) -> HttpResponse {
    static TAGS: LazyLock<Vec<(&'static str, EntityTag)>> = LazyLock::new(|| {
        let files = FILES.iter().chain([&ICON, &PAGE]);
        files
            .map(|file| (file.name, tag_of(file.content)))
            .collect()
    });
    let tag = TAGS.iter().find(|(name, _)| *name == file.name);
    let (_, tag) = tag.expect("each file has a tag");
    let known = request
        .headers()
        .get_all(header::IF_NONE_MATCH)
        .any(|value| {
            value
                .to_str()
                .is_ok_and(|value| value.contains(&tag.to_string()))
        });
    let mut response = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    response
        .content_type(file.content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::ETAG, tag.to_string()))
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"));
    if known {
        response.finish()
    } else {
        response.body(file.content)
    }
}

fn tag_of(content: &str) -> EntityTag {
    let hash = Sha256::digest(content.as_bytes());
    let short = URL_SAFE_NO_PAD.encode(&hash[..12]);
    EntityTag::new_strong(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the whole page.
    const PAGE_MAX: usize = 200_000;

    #[test]
    fn the_whole_page_is_small_and_names_only_its_own_files() {
        let files = FILES.iter().chain([&ICON, &PAGE]);
        let size: usize = files.map(|file| file.content.len()).sum();
        assert!(size < PAGE_MAX, "{size} bytes");
        for quoted in ["src=\"", "href=\""] {
            for link in PAGE.content.split(quoted).skip(1) {
                let link = link.split('"').next().unwrap();
                let name = link.strip_prefix("/ops/assets/");
                let known = FILES.iter().chain([&ICON]).any(|it| Some(it.name) == name);
                let is_answer = ["/metrics", "/ops/snapshot"].contains(&link);
                assert!(known || is_answer, "{link}");
            }
        }
    }
}
