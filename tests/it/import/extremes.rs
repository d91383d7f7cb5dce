//! What a format lets through, the database takes: no field can fail a whole file there.

use super::{ANN, BUYER, Importing, KUSH, VENDOR, id};

/// Both ends of every format, in every column that has it.
#[tokio::test]
async fn the_database_takes_the_extremes_of_every_format() {
    let importing = Importing::of_the_examples().await;
    let name = "é".repeat(100);
    let text = "é, ".repeat(333);
    let email = format!("{}@{}", "é".repeat(200), "x".repeat(53));
    let object = format!("\"{{\"\"a\"\": \"\"{}\"\"}}\"", "x".repeat(3_980));
    let (store, late, early) = (
        id(),
        "2999-12-31T23:59:59.999999+14:00",
        "1900-01-01T00:00:00-12:00",
    );
    for (file, rows) in [
        (
            "stores.csv",
            format!(
                "id,type,name,state,kyc_status,address\n\
                 {store},vendor,\"{text}\",ZZ,suspended,{object}\n{},buyer,x,AA,expired,\n",
                id()
            ),
        ),
        (
            "users.csv",
            format!("email,full_name,is_active\n{email},\"{text}\",false\na@b,,true\n"),
        ),
        (
            "memberships.csv",
            format!("store_id,user_id,role,status\n{VENDOR},{ANN},viewer,removed\n"),
        ),
        (
            "licenses.csv",
            format!(
                "store_id,issuing_state,number,type,status,issued_on,expires_on\n\
                 {BUYER},ZZ,{name},distributor,rejected,1900-01-01,2999-12-31\n\
                 {BUYER},AA,x,producer,expired,2999-12-31,1900-01-01\n"
            ),
        ),
        (
            "subscriptions.csv",
            format!(
                "vendor_store_id,status,current_period_end\n{store},past_due,{late}\n{VENDOR},paused,{early}\n"
            ),
        ),
        (
            "products.csv",
            format!(
                "vendor_store_id,sku,title,category,unit,price,moq,max_qty,buyer_limit_qty,buyer_limit_days,is_active,image_url\n\
                 {VENDOR},{name},\"{text}\",\"{text}\",sixteenth,999999999999.99,2147483647,2147483647,2147483647,3650,false,\"{text}\"\n\
                 {VENDOR},x,x,,gram,0,1,1,1,1,true,\n"
            ),
        ),
        (
            "tiers.csv",
            format!(
                "product_id,min_qty,discount_percent\n{KUSH},1,0.0001\n{KUSH},2147483647,100\n"
            ),
        ),
        (
            "discounts.csv",
            format!(
                "vendor_store_id,code,title,kind,value,min_subtotal,starts_at,ends_at,is_active\n\
                 {VENDOR},{name},\"{text}\",fixed,9999999999.99,999999999999.99,{early},{late},false\n\
                 {VENDOR},x,,percentage,100,0,{early},,true\n\
                 {VENDOR},y,,percentage,0.0001,0.01,{early},,true\n"
            ),
        ),
        (
            "stock.csv",
            format!("product_id,available_qty,low_stock_threshold\n{KUSH},2147483647,2147483647\n"),
        ),
    ] {
        let path = importing.file(file, rows);
        let output = importing.run(&[&path]);
        assert_eq!(output.status.code(), Some(0), "{file}: {output:?}");
    }
}
