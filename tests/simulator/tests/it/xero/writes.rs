//! Writing Xero's data: creating, changing statuses, paying, and repeating with a key.

use serde_json::{Value, json};

use super::TENANT;
use crate::harness::{Sim, refusal_of};

async fn connected() -> (Sim, String) {
    let sim = Sim::start().await;
    let token = sim.xero_connect().await.access;
    (sim, token)
}

fn invoice(status: &str) -> Value {
    json!({
        "Type": "ACCREC", "Status": status, "Contact": { "Name": "Abby & Wells 1" }, "Date": "2026-04-16", "DueDate": "2026-05-16",
        "LineItems": [{ "Description": "Advice", "Quantity": 2, "UnitAmount": 10.05, "AccountCode": "200" }],
    })
}

#[tokio::test]
async fn an_invoice_is_created_with_what_xero_computes() {
    let (sim, token) = connected().await;

    let answer =
        sim.xero_api("PUT", &token, "Invoices").json(&json!({ "Invoices": [invoice("AUTHORISED")] }));
    let (status, body) = refusal_of(answer.send().await.unwrap()).await;

    let made = &body["Invoices"][0];
    assert_eq!(status, 200, "{body}");
    assert_eq!((&made["Total"], &made["AmountDue"]), (&json!(20.1), &json!(20.1)));
    assert_eq!(made["Date"], "/Date(1776297600000+0000)/");
    assert_eq!(made["DateString"], "2026-04-16T00:00:00");
    assert_eq!(made["Contact"]["ContactID"].as_str().unwrap().len(), 36);
    assert!(made["InvoiceNumber"].as_str().unwrap().starts_with("INV-"));
}

#[tokio::test]
async fn a_document_is_voided_or_deleted_by_its_status_once() {
    let (sim, token) = connected().await;
    let mut statuses = Vec::new();

    for (first, last) in
        [("AUTHORISED", "VOIDED"), ("DRAFT", "DELETED"), ("AUTHORISED", "DELETED"), ("DRAFT", "VOIDED")]
    {
        let (_, body) = sim.xero_write(&token, "Invoices", &invoice(first)).await;
        let id = body["Invoices"][0]["InvoiceID"].as_str().unwrap();
        let path = format!("Invoices/{id}");
        statuses.push(sim.xero_write(&token, &path, &json!({ "Status": last })).await.0);
        statuses.push(
            sim.xero_write(&token, &path, &json!({ "Status": "AUTHORISED", "Reference": "x" })).await.0,
        );
    }

    assert_eq!(statuses, [200, 400, 200, 400, 400, 200, 400, 200]);
}

#[tokio::test]
async fn a_payment_lowers_what_is_due_and_its_deletion_raises_it() {
    let (sim, token) = connected().await;
    let (_, body) = sim.xero_write(&token, "Invoices", &invoice("AUTHORISED")).await;
    let id = body["Invoices"][0]["InvoiceID"].as_str().unwrap().to_owned();
    let path = format!("Invoices/{id}");
    let payment = |amount: f64| json!({ "Invoice": { "InvoiceID": id }, "Account": { "Code": "090" }, "Amount": amount });

    let (too_much, _) = sim.xero_write(&token, "Payments", &payment(20.11)).await;
    let (_, paid) = sim.xero_write(&token, "Payments", &payment(20.1)).await;
    let settled = sim.xero_read(&token, &path).await["Invoices"][0].take();
    let payment_id = paid["Payments"][0]["PaymentID"].as_str().unwrap();
    let (void, _) = sim.xero_write(&token, &path, &json!({ "Status": "VOIDED" })).await;
    sim.xero_write(&token, &format!("Payments/{payment_id}"), &json!({ "Status": "DELETED" })).await;
    let open = sim.xero_read(&token, &path).await["Invoices"][0].take();

    assert_eq!((too_much, void), (400, 400));
    assert_eq!((&settled["Status"], &settled["AmountDue"]), (&json!("PAID"), &json!(0.0)));
    assert_eq!((&open["Status"], &open["AmountDue"]), (&json!("AUTHORISED"), &json!(20.1)));
}

#[tokio::test]
async fn one_wrong_object_refuses_all_unless_each_is_to_answer_for_itself() {
    let (sim, token) = connected().await;
    let body = json!({ "Contacts": [{ "Name": "Good" }, { "Name": "Bad", "EmailAddress": "nonsense" }] });

    let (status, refused) = sim.xero_write(&token, "Contacts", &body).await;
    let none = sim.xero_read(&token, "Contacts?where=Name%3D%3D%22Good%22").await;
    let (each_status, each) = sim.xero_write(&token, "Contacts?summarizeErrors=false", &body).await;

    assert_eq!((status, &refused["Type"]), (400, &json!("ValidationException")));
    assert_eq!(refused["Elements"][1]["ValidationErrors"][0]["Message"], "Email address must be valid");
    assert_eq!(none["Contacts"], json!([]));
    assert_eq!(each_status, 200);
    let statuses: Vec<_> =
        each["Contacts"].as_array().unwrap().iter().map(|one| &one["StatusAttributeString"]).collect();
    assert_eq!(statuses, ["OK", "ERROR"]);
}

#[tokio::test]
async fn a_post_without_id_updates_the_contact_with_that_name_and_a_put_refuses_it() {
    let (sim, token) = connected().await;
    let contact = json!({ "Name": "Abby & Wells 1", "FirstName": "Kim" });

    let (status, updated) = sim.xero_write(&token, "Contacts", &contact).await;
    let put = sim.xero_api("PUT", &token, "Contacts").json(&contact).send().await.unwrap();

    assert_eq!(status, 200);
    assert_eq!(updated["Contacts"][0]["EmailAddress"], "contact1@example.com");
    assert_eq!(put.status(), 400);
}

#[tokio::test]
async fn invoices_have_numbers_of_their_own_and_bills_those_of_suppliers() {
    let (sim, token) = connected().await;
    let write = async |kind: &str, number: Option<&str>| {
        let mut document = invoice("DRAFT");
        document["Type"] = json!(kind);
        if let Some(number) = number {
            document["InvoiceNumber"] = json!(number);
        }
        let request = sim.xero_api("PUT", &token, "Invoices").json(&document);
        let (status, body) = refusal_of(request.send().await.unwrap()).await;
        (status, body["Invoices"][0]["InvoiceNumber"].clone())
    };

    assert_eq!(write("ACCREC", Some("INV-0122")).await.0, 200);
    assert_eq!(write("ACCREC", Some("INV-0122")).await.0, 400);
    assert_eq!(write("ACCREC", None).await, (200, json!("INV-0123")));
    assert_eq!(write("ACCPAY", Some("7")).await, (200, json!("7")));
    assert_eq!(write("ACCPAY", Some("7")).await, (200, json!("7")));
    let note = json!({ "Type": "ACCRECCREDIT", "Contact": { "Name": "Abby & Wells 1" } });
    let first = sim.xero_write(&token, "CreditNotes", &note).await.1["CreditNotes"][0].take();
    let second = sim.xero_write(&token, "CreditNotes", &note).await.1["CreditNotes"][0].take();
    assert_ne!(first["CreditNoteID"], second["CreditNoteID"]);
}

#[tokio::test]
async fn a_repeated_write_with_a_key_gets_the_first_answer_for_six_minutes() {
    let (sim, token) = connected().await;
    let write = async |key: &str, name: &str| {
        let request = sim.xero_api("PUT", &token, "Contacts").header("idempotency-key", key);
        refusal_of(request.json(&json!({ "Name": name })).send().await.unwrap()).await
    };

    let (_, first) = write("key-1", "Kim").await;
    let (_, again) = write("key-1", "Kim").await;
    let (misused, message) = write("key-1", "Lee").await;
    let (too_long, _) = write(&"k".repeat(129), "Lee").await;
    sim.advance(360).await;
    let (later, _) = write("key-1", "Kim").await;

    assert_eq!(first["Contacts"], again["Contacts"]);
    assert_eq!((misused, too_long, later), (400, 400, 400));
    assert_eq!(message["Message"], "Idempotency Key key-1 is used with a different request");
}

#[tokio::test]
async fn nonsense_and_unknown_ids_are_refused() {
    let (sim, token) = connected().await;

    let unreadable = sim.xero_api("PUT", &token, "Contacts").body("<Contact/>").send().await.unwrap();
    let (empty, _) = sim.xero_write(&token, "Contacts", &json!({ "Contacts": [] })).await;
    let (unknown, _) = sim.xero_write(&token, "Contacts/nothing", &json!({ "Name": "x" })).await;
    let (nowhere, _) = sim.xero_write(&token, "Nothing", &json!({})).await;

    assert_eq!(refusal_of(unreadable).await.1["Type"], "PostDataInvalidException");
    assert_eq!((empty, unknown, nowhere), (400, 404, 404));
}

#[tokio::test]
async fn a_person_changes_objects_over_the_control_api() {
    let (sim, token) = connected().await;
    let path = format!("xero/organizations/{TENANT}/entities/invoices");

    let made = sim.control("POST", &path, invoice("DRAFT")).await;
    let id = made["InvoiceID"].as_str().unwrap();
    sim.control("PUT", &format!("{path}/{id}"), json!({ "Reference": "changed" })).await;

    let read = sim.xero_read(&token, &format!("Invoices/{id}")).await;
    assert_eq!(read["Invoices"][0]["Reference"], "changed");
}
