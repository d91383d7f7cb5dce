use super::*;

fn sent(request: &Request, version: Version) -> http::Request<Full<Bytes>> {
    request.to_http(&Endpoint::plain(([127, 0, 0, 1], 80).into()), version)
}

#[test]
fn a_checkout_names_its_cart_and_another_one_when_told_so() {
    let [one, other] = [Uuid::now_v7(), Uuid::now_v7()].map(CartId::new);
    let mut request = Request::check_out("token", one);
    let before = request.clone();
    assert_eq!(request.body, format!("{{\"cart_id\":\"{one}\"}}"));
    request.name_cart(other);
    assert_eq!(request.body, format!("{{\"cart_id\":\"{other}\"}}"));
    let same = |request: &Request| {
        (
            request.method.clone(),
            request.path.clone(),
            request.headers.clone(),
        )
    };
    assert_eq!(same(&request), same(&before));
}

#[test]
fn every_version_names_the_host_in_its_own_way() {
    let request = Request::check_out("token", CartId::new(Uuid::nil()));
    let http1 = sent(&request, Version::HTTP_11);
    assert_eq!(
        (http1.method(), http1.uri().to_string()),
        (&Method::POST, CHECKOUT.to_owned())
    );
    assert_eq!(http1.headers()[HOST], "127.0.0.1:80");
    assert_eq!(http1.headers()[AUTHORIZATION], "Bearer token");
    assert_eq!(http1.headers()[CONTENT_TYPE], "application/json");
    let http2 = sent(&request, Version::HTTP_2);
    assert_eq!(
        http2.uri().to_string(),
        format!("http://127.0.0.1:80{CHECKOUT}")
    );
    assert!(!http2.headers().contains_key(HOST));
}

#[test]
fn a_renewed_key_changes_nothing_else() {
    let mut request = Request::check_out("token", CartId::new(Uuid::nil()));
    let mut before = request.clone();
    request.renew_key();
    assert_ne!(request.key(), before.key());
    let parsed = request.key().unwrap().parse::<Uuid>();
    assert_eq!(parsed.unwrap().get_version_num(), 7);
    before.headers.insert(KEY, request.headers[KEY].clone());
    assert_eq!(
        (request.headers, request.body),
        (before.headers, before.body)
    );
}

#[test]
fn a_checkout_is_done_once_and_a_cart_is_read_again_and_again() {
    let checkouts = || vec![Job::CheckOut(Request::get_cart("token"))];
    let mut supply = Supply::of(checkouts(), 5);
    let job = supply.take().unwrap();
    supply.give_back(job);
    assert!(supply.take().is_none() && supply.ran_out());

    let mut supply = Supply::of(vec![Job::GetCart(Request::get_cart("token"))], 2);
    let job = supply.take().unwrap();
    assert!(
        supply.take().is_none() && !supply.is_over(),
        "the buyer is busy"
    );
    supply.give_back(job);
    let job = supply.take().unwrap();
    supply.give_back(job);
    assert!(supply.take().is_none() && supply.is_over() && !supply.ran_out());
}
