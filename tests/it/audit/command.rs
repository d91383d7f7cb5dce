//! `splitcart audit`: what it prints and the status it ends with.

use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{Buyer, Database, Shopper, World, market::cart_of, server::splitcart};

/// A database with one checkout. No server runs.
async fn bought() -> (World, Buyer) {
    let mut world = World::start().await;
    let product = world.market.sold_product(500, 100).await;
    let cart = cart_of(&[(product, 2)]);
    let shopper = Shopper::with_cart(&world.market, &world.server, &cart).await;
    assert_eq!(shopper.check_out().await.status, 201);
    world.server.terminate();
    world.server.ended().await;
    (world, shopper.buyer)
}

fn audit_of(database_url: &str) -> Command {
    let mut command = splitcart("audit");
    command
        .env("SPLITCART_DATABASE_URL", database_url)
        // The audit does not use Redis.
        .env("SPLITCART_REDIS_URL", "redis://127.0.0.1:1");
    command
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn a_sound_database_ends_it_with_0_and_a_broken_one_with_1() {
    let (world, buyer) = bought().await;
    let database = &world.market.database;

    let (status, shown, progress) = run(&mut audit_of(&database.url));

    assert_eq!(status, Some(0), "{shown}{progress}");
    assert!(
        shown.contains("key_per_group") && shown.contains("rules hold"),
        "{shown}"
    );

    database
        .run("update checkout_groups set currency = 'CAD'; update vendor_orders set currency = 'CAD'")
        .await;
    let (status, shown, _) = run(&mut audit_of(&database.url));

    assert_eq!(status, Some(1), "{shown}");
    let group: String = sqlx::query_scalar("select id::text from checkout_groups")
        .fetch_one(&database.pool)
        .await
        .unwrap();
    let finding = format!(
        "group_of_its_cart: a group has the buyer and the currency of its cart\n  \
         not so for checkout group {group}\n"
    );
    assert!(shown.contains(&finding), "{shown}");
    assert!(
        shown.contains("1 of ") && shown.contains(" rules is broken"),
        "{shown}"
    );
    assert!(!shown.contains(&buyer.store_id.to_string()), "{shown}");
}

#[tokio::test]
async fn a_program_reads_what_is_broken_as_json_and_says_how_long_an_event_may_wait() {
    let (world, _) = bought().await;
    let database = &world.market.database;
    database
        .run(
            "update outbox_events set published_at = null, created_at = now() - interval '1 hour';
             insert into outbox_dead_letters (id, event_type, aggregate_type, aggregate_id, payload,
                created_at, attempts, next_attempt_at, reason)
             values (gen_random_uuid(), 'other', 'other', gen_random_uuid(), '{}', now(), 8, now(),
                'max_attempts')",
        )
        .await;

    let (status, shown, _) = run(audit_of(&database.url).arg("--json"));

    let report: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((status, &report["clean"]), (Some(1), &false.into()));
    assert_eq!(report["dead_letters"], 1);
    let rules = report["rules"].as_array().unwrap();
    let broken: Vec<_> = rules.iter().filter(|it| it["broken"] != 0).collect();
    assert_eq!(broken.len(), 1, "{shown}");
    assert_eq!(broken[0]["code"], "event_published_in_time");
    assert_eq!(broken[0]["examples"].as_array().unwrap().len(), 1);

    let patient = ["--unpublished-s-max", "7200"];
    let (status, shown, _) = run(audit_of(&database.url).args(patient));

    assert_eq!(status, Some(0), "{shown}");
    assert!(
        shown.contains("note: dead letters that count as announced: 1 "),
        "{shown}"
    );
}

#[tokio::test]
async fn many_faults_are_counted_and_few_are_named() {
    let (world, _) = bought().await;
    let database = &world.market.database;
    database
        .run(
            "insert into cart_records (id, buyer_store_id, created_by, status, subtotal,
                discount_total, total, converted_at)
             select gen_random_uuid(), buyer_store_id, created_by, 'converted', 0, 0, 0, now()
             from cart_records, generate_series(1, 1500)",
        )
        .await;

    let (status, shown, _) = run(audit_of(&database.url).args(["--examples", "2"]));

    assert_eq!(status, Some(1), "{shown}");
    assert!(shown.contains("1,500"), "{shown}");
    assert!(shown.contains(" and 1,498 more\n"), "{shown}");
}

#[tokio::test]
async fn a_database_that_can_not_be_audited_ends_it_with_2_and_a_sentence() {
    let bare = Database::create_bare().await;

    let (status, shown, complaint) = run(&mut audit_of(&bare.url));

    assert_eq!((status, shown.as_str()), (Some(2), ""));
    assert!(
        complaint.contains("run `splitcart migrate` first"),
        "{complaint}"
    );

    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    let (status, shown, complaint) = run(&mut audit_of(nowhere));

    assert_eq!((status, shown.as_str()), (Some(2), ""));
    assert!(
        complaint.contains("could not connect to PostgreSQL"),
        "{complaint}"
    );
}

#[test]
fn a_private_database_is_audited_where_its_files_are() {
    let dir = tempfile::Builder::new()
        .prefix("splitcart-audit-")
        .tempdir()
        .unwrap();
    let data_dir = dir.path().join("data");
    let in_place = |subcommand| {
        let mut command = splitcart(subcommand);
        command.arg("--data-dir").arg(&data_dir);
        run(&mut command)
    };

    assert_eq!(in_place("audit").0, Some(2), "nothing is there yet");
    assert_eq!(in_place("migrate").0, Some(0));
    let (status, shown, complaint) = in_place("audit");

    assert_eq!(status, Some(0), "{shown}{complaint}");
}
