use super::*;

#[tokio::test]
async fn a_url_is_a_scheme_and_a_host_with_or_without_a_port() {
    let endpoint = Endpoint::resolve("http://127.0.0.1:8080/", None)
        .await
        .unwrap();
    assert_eq!(endpoint.host(), "127.0.0.1:8080");
    for (url, port) in [
        ("http://127.0.0.1:8080/", 8080),
        ("http://127.0.0.1", 80),
        ("http://[::1]:81", 81),
        ("https://127.0.0.1:8443", 8443),
        ("https://localhost", 443),
        ("https://[::1]", 443),
    ] {
        // Certificates of the system are none of this test's business.
        let file = tempfile::NamedTempFile::new().unwrap();
        let certificate = rcgen::generate_simple_self_signed(vec!["a".to_owned()]).unwrap();
        std::fs::write(file.path(), certificate.cert.pem()).unwrap();
        let ca = url.starts_with("https").then_some(file.path());
        let endpoint = Endpoint::resolve(url, ca).await.unwrap();
        assert_eq!(endpoint.address().port(), port, "{url}");
    }
    for wrong in [
        "127.0.0.1:80",
        "ftp://a",
        "http://",
        "http://a/api",
        "https://a@b",
    ] {
        let complaint = Endpoint::resolve(wrong, None).await.unwrap_err();
        let complaint = complaint.to_string();
        assert!(complaint.contains(wrong), "{complaint}");
    }
}

#[tokio::test]
async fn certificates_to_trust_are_read_from_a_file_that_has_some() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let complaint = |url: &'static str| {
        let ca = file.path().to_owned();
        async move {
            Endpoint::resolve(url, Some(&ca))
                .await
                .unwrap_err()
                .to_string()
        }
    };
    assert!(
        complaint("https://localhost")
            .await
            .contains("contains no certificate")
    );
    assert!(complaint("http://localhost").await.contains("https URL"));
}

#[test]
fn the_url_of_a_path_is_absolute() {
    let endpoint = Endpoint::plain(([127, 0, 0, 1], 80).into());
    let path = Uri::from_static("/api/v1/cart");
    assert_eq!(endpoint.url(&path), "http://127.0.0.1:80/api/v1/cart");
}
