use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use uuid::Uuid;

use super::*;

const OVERLOADED: &str = "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 31\r\n\r\n\
                          {\"error\":{\"code\":\"OVERLOADED\"}}";
const CREATED: &str = "HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nab";

/// A server that gives these answers, one after the other, the last one again and again; and the
/// driver of one checkout.
async fn driver(answers: &'static [&'static str], timeout_ms: u64, replay_share: f64) -> Driver {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 4096];
        let last = answers.iter().rev().take(1).cycle();
        for answer in answers.iter().chain(last) {
            if stream.read(&mut request).await.unwrap() == 0 {
                return;
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let manners = Manners {
        timeout: Duration::from_millis(timeout_ms),
        replay_share,
        retry_refused: RetryRefused::Jitter,
        seed: 1,
    };
    let request = Request::check_out("token", CartId::new(Uuid::nil()));
    let supply = Supply::of(vec![Job::CheckOut(request)], 1);
    Driver::new(
        Endpoint::plain(address),
        manners,
        supply,
        Recorder::between(Instant::now(), None),
    )
}

async fn perform(driver: &Driver) {
    let job = driver.supply.borrow_mut().take().unwrap();
    let mut connection = Connection::to(&driver.endpoint);
    driver.perform(&mut connection, job, Instant::now()).await;
}

#[tokio::test]
async fn a_client_that_is_refused_comes_back_and_its_latency_counts_from_the_first_try() {
    let driver = driver(&[OVERLOADED, OVERLOADED, CREATED], 60_000, 0.0).await;
    perform(&driver).await;
    let recorder = driver.recorder.borrow();
    assert_eq!((recorder.refused().len(), recorder.sent_again), (2, 2));
    assert_eq!((recorder.succeeded().len(), recorder.gave_up), (1, 0));
    let first = recorder.refused().min();
    assert!(recorder.succeeded().max() > first, "both waits are in it");
    assert_eq!(recorder.outcomes[&(503, "OVERLOADED".to_owned())], 2);
}

#[tokio::test]
async fn a_client_that_is_always_refused_gives_up_in_the_end() {
    let driver = driver(&[OVERLOADED], 300, 0.0).await;
    perform(&driver).await;
    let recorder = driver.recorder.borrow();
    assert_eq!((recorder.succeeded().len(), recorder.gave_up), (0, 1));
    assert_eq!(recorder.refused().len(), recorder.sent_again + 1);
}

#[tokio::test]
async fn a_replay_that_is_none_is_told() {
    let driver = driver(&[CREATED], 60_000, 1.0).await;
    perform(&driver).await;
    assert_eq!(driver.recorder.borrow().replays_wrong, 1);
}

#[tokio::test]
async fn no_answer_in_time_is_told_and_may_have_been_carried_out() {
    let driver = driver(&[""], 100, 0.0).await;
    perform(&driver).await;
    let recorder = driver.recorder.borrow();
    assert_eq!(recorder.errors["no answer within 100ms"], 1);
    assert_eq!(recorder.unknown_ever, 1);
}
