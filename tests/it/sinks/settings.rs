//! Settings of sinks that can't be used are refused at start, with a sentence.

use crate::support::server::serve;

fn refusal(sink: &str) -> String {
    let file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(
        file.path(),
        format!("[[outbox.sinks]]\nname = \"it\"\n{sink}\n"),
    )
    .unwrap();
    let mut command = serve();
    command
        .arg("--config")
        .arg(file.path())
        .env("SPLITCART_DATABASE_URL", "postgres://nowhere.invalid/none")
        .env("SPLITCART_REDIS_URL", "redis://nowhere.invalid");
    let output = command.output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{told}");
    told
}

#[test]
fn a_sink_in_nats_needs_a_url_and_one_kind_of_credentials() {
    for (sink, told) in [
        ("kind = \"nats_jetstream\"", "it has no url"),
        (
            "kind = \"nats_jetstream\"\nurl = \"http://nats:4222\"",
            "does not begin with nats://",
        ),
        (
            "kind = \"nats_jetstream\"\nurl = \"nats://user:secret@nats:4222\"",
            "user and password, or token",
        ),
        (
            "kind = \"nats_jetstream\"\nurl = \"nats://nats\"\ntoken = \"t\"\nuser = \"u\"\npassword = \"p\"",
            "more than one of user, token and credentials_file is set",
        ),
        (
            "kind = \"nats_jetstream\"\nurl = \"nats://nats\"\nuser = \"u\"",
            "user and password belong together",
        ),
        (
            "kind = \"nats_jetstream\"\nurl = \"nats://nats\"\nstream = \"a.b\"",
            "it must be of letters, digits, _ and -",
        ),
        (
            "kind = \"nats_jetstream\"\nurl = \"nats://nats\"\nmax_age = \"1h\"\nduplicate_window = \"2h\"",
            "duplicate_window is \"2h\"",
        ),
        (
            "kind = \"redis_stream\"\nwait_aof_ms = 0",
            "wait_aof_ms of the sink it is 0",
        ),
    ] {
        let refusal = refusal(sink);
        assert!(refusal.contains(told), "{sink}: {refusal}");
        assert!(!refusal.contains("secret"), "{refusal}");
    }
}

#[cfg(not(feature = "kafka"))]
#[test]
fn a_program_without_kafka_says_how_to_build_one_with_it() {
    let refusal = refusal("kind = \"kafka\"\nbrokers = [\"kafka:9092\"]");
    assert!(refusal.contains("--features kafka"), "{refusal}");
}

#[cfg(feature = "kafka")]
#[test]
fn a_sink_in_kafka_needs_brokers_and_whole_credentials() {
    for (sink, told) in [
        ("kind = \"kafka\"", "brokers must be a list"),
        (
            "kind = \"kafka\"\nbrokers = [\"kafka\"]",
            "brokers must be a list",
        ),
        (
            "kind = \"kafka\"\nbrokers = [\"kafka:9092\"]\nuser = \"u\"\npassword = \"p\"",
            "user, password and mechanism belong together",
        ),
        (
            "kind = \"kafka\"\nbrokers = [\"kafka:9092\"]\nmechanism = \"plain\"\nuser = \"u\"\npassword = \"p\"",
            "set tls, too",
        ),
    ] {
        let refusal = refusal(sink);
        assert!(refusal.contains(told), "{sink}: {refusal}");
    }
}
