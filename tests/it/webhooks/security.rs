//! Where webhooks do not go, and answers that do no harm.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use reqwest::Method;
use splitcart::webhooks::{
    address::Reach,
    client::{Client, Lookup, PostError, Signed},
};

use super::{Stage, create, send};
use crate::support::receiver::{Answer, Receiver};

const SIGNED: Signed<'_> = Signed {
    id: "id",
    timestamp: 1,
    signature: "v1,none",
};

/// A resolver that answers each question with the next of these addresses, and the last one from then on.
fn rebinding(addresses: &[&str]) -> (Lookup, Arc<AtomicUsize>) {
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let lookup: Lookup = Arc::new(move |_| {
        let place = counter
            .fetch_add(1, Ordering::SeqCst)
            .min(addresses.len() - 1);
        let address = addresses[place];
        Box::pin(async move { Ok(vec![address]) })
    });
    (lookup, asked)
}

async fn post(client: &Client, to: &str) -> Result<u16, PostError> {
    client.post(to, "{}".to_owned(), &SIGNED).await
}

#[tokio::test]
async fn a_name_that_leads_to_a_private_address_at_the_second_look_is_not_followed() {
    let receiver = Receiver::start().await;
    // Public by its network, and assigned to nobody.
    let (lookup, asked) = rebinding(&["3ffe::1", "127.0.0.1"]);
    let client = Client::new(Reach::Public, lookup);
    let to = format!("https://rebinding.example:{}/", receiver.port());

    let first = post(&client, &to).await.unwrap_err();
    let looks_of_first = asked.load(Ordering::SeqCst);
    let second = post(&client, &to).await.unwrap_err();

    // Each post looks once: what was checked is what was connected to.
    assert_eq!((looks_of_first, asked.load(Ordering::SeqCst)), (1, 2));
    assert!(first.to_string().contains("can't connect"), "{first}");
    assert_eq!(
        second.to_string(),
        "the host's name leads to no public address"
    );
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_notation_and_reached_only_with_the_setting() {
    let receiver = Receiver::start().await;
    for address in [
        "127.0.0.1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "::1",
        "10.0.0.1",
    ] {
        let (lookup, _) = rebinding(&[address]);
        let client = Client::new(Reach::Public, lookup);
        let to = format!("https://private.example:{}/", receiver.port());
        let refused = post(&client, &to).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the host's name leads to no public address",
            "{address}"
        );
    }
    let (lookup, asked) = rebinding(&["127.0.0.1"]);
    let client = Client::new(Reach::Public, lookup.clone());
    for host in ["127.0.0.1", "2130706433", "[::ffff:7f00:1]"] {
        let refused = post(&client, &format!("https://{host}:{}/", receiver.port())).await;
        assert!(matches!(refused, Err(PostError::Url(_))), "{host}");
    }
    assert_eq!(
        (receiver.connections(), asked.load(Ordering::SeqCst)),
        (0, 0)
    );

    let client = Client::new(Reach::Everything, lookup);
    let to = format!("http://private.example:{}/", receiver.port());
    assert_eq!(post(&client, &to).await.unwrap(), 200);
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn an_answer_without_an_end_and_one_that_never_comes_take_a_limited_time() {
    let receiver = Receiver::start().await;
    let (lookup, _) = rebinding(&["127.0.0.1"]);
    let client = Client::new(Reach::Everything, lookup);

    receiver.answer(Answer::Endless);
    let began = Instant::now();
    assert_eq!(post(&client, &receiver.url()).await.unwrap(), 200);
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );

    receiver.answer(Answer::Never);
    let began = Instant::now();
    let silent = post(&client, &receiver.url()).await;
    assert!(matches!(silent, Err(PostError::TimedOut)), "{silent:?}");
    let took = began.elapsed();
    assert!((10..15).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let stage = Stage::start().await;
    let [receiver, target] = [Receiver::start().await, Receiver::start().await];
    receiver.answer(Answer::Redirect(target.url()));
    let endpoint = create(&stage.buyer, &receiver.url(), &[]).await;

    send(
        &stage.buyer,
        Method::POST,
        &format!("{}/test", endpoint.path()),
    )
    .await;

    let failed = endpoint.until_tried(&stage.buyer, "failed").await;
    assert_eq!(failed["status"], 307);
    assert_eq!(
        failed["error"],
        "the answer is a redirect, which is not followed"
    );
    assert_eq!((receiver.connections(), target.connections()), (1, 0));
}

#[tokio::test]
async fn a_service_without_the_setting_connects_to_no_private_address_whatever_is_in_the_database()
{
    let stage = Stage::with_settings(&[]).await;
    let receiver = Receiver::start().await;
    let endpoint = create(&stage.buyer, "https://example.com", &[]).await;
    for (url, error) in [
        (receiver.url(), "the URL must begin with https://"),
        (
            format!("https://127.0.0.1:{}/", receiver.port()),
            "the URL must lead to a public address",
        ),
        (
            "https://nowhere.invalid/".to_owned(),
            "the host's name leads to no public address",
        ),
        (
            format!("https://ip6-localhost:{}/", receiver.port()),
            "the host's name leads to no public address",
        ),
    ] {
        stage
            .run(&format!("update webhook_endpoints set url = '{url}'"))
            .await;
        stage.run("delete from webhook_deliveries").await;
        send(
            &stage.buyer,
            Method::POST,
            &format!("{}/test", endpoint.path()),
        )
        .await;
        let failed = endpoint.until_tried(&stage.buyer, "failed").await;
        assert_eq!(failed["error"], error, "{url}");
    }
    assert_eq!(receiver.connections(), 0);
}
