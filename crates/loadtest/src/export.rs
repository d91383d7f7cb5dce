//! Writes the requests of a test to a file, for tools of others to send.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
    process::ExitCode,
};

use anyhow::{Context, bail};
use hyper::Uri;
use serde_json::{Value, json};
use terminal::Screen;
use uuid::Uuid;

use splitcart::{
    config::Config,
    db,
    http::paths::{CART, CHECKOUT},
};

use super::{
    carts::Cart,
    endpoint::Endpoint,
    options::{LoadtestArgs, Mode, Prepare},
    place::Place,
    ready::{self, Ready},
    requests::{checkout_body, put_body},
};

/// Prepares everything and writes the file.
///
/// # Errors
/// See `ready`, or the file can't be written.
pub async fn run(
    args: &LoadtestArgs,
    config: &Config,
    place: &Place,
    file: &Path,
    stop_signal: impl Future<Output = ()>,
) -> anyhow::Result<ExitCode> {
    if args.prepare() == Some(Prepare::Api) {
        place.check().await?;
    }
    let screen = Screen::on_stderr();
    let mut connection = db::pool::connect(&place.database).await?;
    let ready = tokio::select! {
        ready = ready::get_ready(args, config, place, &mut connection, &screen) => ready?,
        () = stop_signal => bail!("stopped by a signal"),
    };
    screen.close();
    let context = || format!("can't write {}", file.display());
    let mut out: Box<dyn Write> = if file == Path::new("-") {
        Box::new(io::stdout().lock())
    } else {
        Box::new(BufWriter::new(File::create(file).with_context(context)?))
    };
    write(&mut out, args.load.mode, &place.http, &ready).with_context(context)?;
    Ok(ExitCode::SUCCESS)
}

fn write(out: &mut dyn Write, mode: Mode, endpoint: &Endpoint, ready: &Ready) -> io::Result<()> {
    for (cart, token) in ready.prepared.carts.iter().zip(&ready.tokens) {
        writeln!(out, "{}", line(mode, endpoint, token, cart))?;
    }
    out.flush()
}

fn line(mode: Mode, endpoint: &Endpoint, token: &str, cart: &Cart) -> Value {
    let (method, path, body) = match mode {
        // No moves are exported: `checks` refuses it.
        Mode::Checkout | Mode::Lifecycle | Mode::Decisions => {
            ("POST", CHECKOUT, Some(checkout_body(cart.id)))
        }
        Mode::CartPut | Mode::Purchase => ("PUT", CART, Some(put_body(cart))),
        Mode::CartGet => ("GET", CART, None),
    };
    // A PUT's cart gets its id when it is put.
    let cart_id = (method != "PUT").then_some(cart.id);
    let key = body.is_some().then(Uuid::now_v7);
    json!({
        "method": method,
        "url": endpoint.url(&Uri::from_static(path)).to_string(),
        "token": token,
        "key": key,
        "cart_id": cart_id,
        // As a text: what is sent is what stands here, to the byte.
        "body": body.map(|body| body.to_string()),
    })
}
