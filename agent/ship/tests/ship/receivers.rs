//! Each sink against a receiver that is as strict as its documentation.

use std::time::Duration;

use mcpolicy_ship::formats::Format;
use mcpolicy_ship::sinks::elastic::{Elastic, ElasticAuth, ElasticSettings};
use mcpolicy_ship::sinks::file::{Lines, LinesSettings};
use mcpolicy_ship::sinks::https::{Https, HttpsSettings, Proof};
use mcpolicy_ship::sinks::otlp::{Encoding, Otlp, OtlpSettings};
use mcpolicy_ship::sinks::splunk::{Splunk, SplunkSettings};
use mcpolicy_ship::{Limits, Secret, Sink as _, SinkError};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message as _;
use serde_json::{Value, json};

use crate::receiver::{Receiver, Reply, Request, reply, with};
use crate::{NOW_MS, batch, clock, http, place};

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn splunk(receiver: &Receiver) -> Splunk {
    let settings = SplunkSettings {
        name: "splunk".to_owned(),
        place: place(&receiver.url()),
        token: secret("11111111-2222-3333-4444-555555555555"),
        index: Some("endpoint".to_owned()),
        sourcetype: "mcpolicy:report".to_owned(),
        format: Format::Native,
        limits: Limits::default(),
    };
    Splunk::new(settings, http(None), clock()).unwrap()
}

/// As the collector's documentation says.
fn collector(request: &Request, _: usize) -> Reply {
    if (&*request.method, &*request.path) != ("POST", "/services/collector/event") {
        return reply(404, r#"{"text":"The requested URL was not found on this server.","code":404}"#);
    }
    if request.header("authorization") != "Splunk 11111111-2222-3333-4444-555555555555" {
        return reply(403, r#"{"text":"Invalid token","code":4}"#);
    }
    let events = serde_json::Deserializer::from_slice(&request.body).into_iter::<Value>();
    for (at, event) in events.enumerate() {
        let Ok(event) = event else {
            return reply(
                400,
                &json!({"text": "Invalid data format", "code": 6, "invalid-event-number": at}).to_string(),
            );
        };
        let known = ["time", "host", "source", "sourcetype", "index", "event", "fields"];
        let members = event.as_object().unwrap();
        let is_flat = event["fields"].as_object().unwrap().values().all(Value::is_string);
        if members.keys().any(|key| !known.contains(&key.as_str())) || !event["time"].is_number() || !is_flat
        {
            return reply(400, r#"{"text":"Error in handling indexed fields","code":15}"#);
        }
    }
    reply(200, r#"{"text":"Success","code":0}"#)
}

#[tokio::test]
async fn splunk_takes_events_that_carry_their_id() {
    let receiver = Receiver::plain(collector).await;
    let receipt = splunk(&receiver).send(&batch(3)).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (3, 0));
    let request = &receiver.received()[0];
    let events: Vec<Value> =
        serde_json::Deserializer::from_slice(&request.body).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(events.len(), 3);
    assert_eq!(
        events[1]["fields"],
        json!({"event_id": "dev-1/event/e/2", "class": "event", "kind": "event"})
    );
    assert_eq!(events[1]["event"]["id"], "dev-1/event/e/2");
    assert_eq!(events[1]["host"], "lap-1");
    assert_eq!(events[1]["index"], "endpoint");
    assert_eq!(events[1]["time"], 1_700_000_000.002);
    assert!(request.raw.len() < request.body.len(), "the body is packed");
}

#[tokio::test]
async fn what_splunk_says_beside_its_status_is_understood() {
    for (status, body, expected) in [
        (400, r#"{"text":"Incorrect index","code":7,"invalid-event-number":1}"#, "config"),
        (400, r#"{"text":"Invalid data format","code":6,"invalid-event-number":0}"#, "poison"),
        (403, r#"{"text":"Token disabled","code":1}"#, "unauthorized"),
        (401, r#"{"text":"Token is required","code":2}"#, "unauthorized"),
        (503, r#"{"text":"Server is busy","code":9}"#, "retry"),
        (500, r#"{"text":"Internal server error","code":8}"#, "retry"),
        (200, "OK", "retry"),
        (200, r#"{"text":"odd","code":99}"#, "retry"),
        (413, "", "too large"),
        (404, "", "config"),
    ] {
        let receiver = Receiver::plain(move |_, _| reply(status, body)).await;
        let error = splunk(&receiver).send(&batch(2)).await.unwrap_err();
        assert_eq!(kind(&error), expected, "{status} {body}: {error}");
    }
}

fn kind(error: &SinkError) -> &'static str {
    match error {
        SinkError::Retry { .. } => "retry",
        SinkError::TooLarge { .. } => "too large",
        SinkError::Poison { .. } => "poison",
        SinkError::Unauthorized { .. } => "unauthorized",
        SinkError::Config { .. } => "config",
    }
}

fn elastic(receiver: &Receiver, auth: ElasticAuth) -> Elastic {
    let settings = ElasticSettings {
        name: "elastic".to_owned(),
        place: place(&receiver.url()),
        index: "logs-mcpolicy.report-default".to_owned(),
        auth,
        format: Format::Native,
        limits: Limits::default(),
    };
    Elastic::new(settings, http(None), clock()).unwrap()
}

/// As the bulk interface's documentation says; answers for each record what the test says.
fn bulk(request: &Request, status: impl Fn(usize) -> u16) -> Reply {
    if request.path != "/_bulk?filter_path=errors,items.*.status,items.*.error.type" {
        return reply(405, "{}");
    }
    if request.header("content-type") != "application/x-ndjson" || !request.body.ends_with(b"\n") {
        return reply(400, r#"{"error":{"type":"illegal_argument_exception"},"status":400}"#);
    }
    let text = request.text();
    let lines: Vec<&str> = text.lines().collect();
    let mut items = Vec::new();
    for (at, pair) in lines.chunks(2).enumerate() {
        let action: Value = serde_json::from_str(pair[0]).unwrap();
        let document: Value = serde_json::from_str(pair[1]).unwrap();
        assert_eq!(action["create"]["_id"], document["id"]);
        assert_eq!(action["create"]["_index"], "logs-mcpolicy.report-default");
        assert!(document["@timestamp"].is_string(), "a data stream refuses it");
        let status = status(at);
        items.push(match status {
            201 => json!({"create": {"status": 201}}),
            409 => json!({"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}}),
            _ => json!({"create": {"status": status, "error": {"type": "mapper_parsing_exception"}}}),
        });
    }
    reply(200, &json!({"errors": true, "items": items}).to_string())
}

#[tokio::test]
async fn a_record_that_elastic_has_already_is_as_good_as_taken_and_one_that_it_refuses_is_told() {
    let receiver = Receiver::plain(|request, _| bulk(request, |at| [201, 409, 400, 201][at])).await;
    let auth = ElasticAuth::ApiKey(secret("VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="));
    let receipt = elastic(&receiver, auth).send(&batch(4)).await.unwrap();
    assert_eq!(receipt.accepted, 4);
    assert_eq!(receipt.rejected, [(2, "status 400 (mapper_parsing_exception)".to_owned())]);
    let authorization = receiver.received()[0].header("authorization").to_owned();
    assert_eq!(authorization, "ApiKey VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw==");
}

#[tokio::test]
async fn a_record_that_elastic_has_no_room_for_now_brings_the_batch_again() {
    let receiver = Receiver::plain(|request, _| bulk(request, |at| [201, 429][at])).await;
    let error =
        elastic(&receiver, ElasticAuth::Basic(secret("mcpolicy:hunter2"))).send(&batch(2)).await.unwrap_err();
    assert_eq!(kind(&error), "retry");
    assert_eq!(receiver.received()[0].header("authorization"), "Basic bWNwb2xpY3k6aHVudGVyMg==");
}

#[tokio::test]
async fn an_answer_of_elastic_that_tells_of_fewer_records_settles_none() {
    for body in [r#"{"errors":false,"items":[]}"#, "{}", r#"{"items":[{"index":{"status":201}}]}"#] {
        let receiver = Receiver::plain(move |_, _| reply(200, body)).await;
        let error = elastic(&receiver, ElasticAuth::Certificate).send(&batch(1)).await.unwrap_err();
        assert_eq!(kind(&error), "retry", "{body}");
    }
}

fn otlp(receiver: &Receiver, encoding: Encoding) -> Otlp {
    let settings = OtlpSettings {
        name: "otlp".to_owned(),
        place: place(&receiver.url()),
        headers: vec![("authorization".to_owned(), secret("Bearer abc"))],
        encoding,
        format: Format::Native,
        limits: Limits::default(),
    };
    Otlp::new(settings, http(None), clock()).unwrap()
}

#[tokio::test]
async fn a_collector_reads_protobuf_and_json_by_the_official_definitions() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let receiver = Receiver::plain(|request, _| {
            let is_json = request.header("content-type") == "application/json";
            match is_json {
                true => with(200, &[("content-type", "application/json")], "{}"),
                false => with(200, &[("content-type", "application/x-protobuf")], ""),
            }
        })
        .await;
        let receipt = otlp(&receiver, encoding).send(&batch(3)).await.unwrap();
        assert_eq!((receipt.accepted, receipt.rejected_unnamed), (3, None));
        let request = &receiver.received()[0];
        assert_eq!((&*request.path, request.header("authorization")), ("/v1/logs", "Bearer abc"));
        let read = match encoding {
            Encoding::Protobuf => ExportLogsServiceRequest::decode(&*request.body).unwrap(),
            Encoding::Json => serde_json::from_slice(&request.body).unwrap(),
        };
        assert_eq!(read.resource_logs.len(), 1, "one machine is one resource");
        let resource = read.resource_logs[0].resource.as_ref().unwrap();
        let names: Vec<&str> = resource.attributes.iter().map(|pair| &*pair.key).collect();
        assert_eq!(names, ["service.name", "service.version", "host.id", "host.name", "os.type"]);
        let records = &read.resource_logs[0].scope_logs[0].log_records;
        assert_eq!(records.len(), 3);
        assert_eq!(records[2].time_unix_nano, (NOW_MS + 3) * 1_000_000);
        assert_eq!(records[2].event_name, "mcpolicy.event");
        let body = format!("{:?}", records[2].body);
        assert!(body.contains("dev-1/event/e/3"), "{body}");
    }
}

#[tokio::test]
async fn a_partial_success_of_a_collector_is_told_and_not_sent_again() {
    let receiver = Receiver::plain(|_, _| {
        let partial =
            ExportLogsPartialSuccess { rejected_log_records: 2, error_message: "too old\n".to_owned() };
        let body = ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec();
        Reply::Whole {
            status: 200,
            headers: vec![("content-type", "application/x-protobuf".to_owned())],
            body,
        }
    })
    .await;
    let receipt = otlp(&receiver, Encoding::Protobuf).send(&batch(3)).await.unwrap();
    assert_eq!(receipt.rejected_unnamed, Some((2, "too old".to_owned())));
    assert_eq!(receipt.accepted, 3);
}

#[tokio::test]
async fn a_collector_is_asked_again_after_what_it_or_a_proxy_before_it_may_get_over() {
    for status in [400_u16, 401, 403, 404, 408, 413, 429, 500, 501, 502, 503, 504] {
        let receiver = Receiver::plain(move |_, _| reply(status, "")).await;
        let error = otlp(&receiver, Encoding::Protobuf).send(&batch(1)).await.unwrap_err();
        let expected = match status {
            408 | 429 | 500..=504 => "retry",
            400 => "poison",
            401 | 403 => "unauthorized",
            413 => "too large",
            _ => "config",
        };
        assert_eq!(kind(&error), expected, "{status}");
        if let SinkError::Poison { may_try_again, .. } = error {
            assert!(may_try_again, "{status}");
        }
    }
}

fn https(receiver: &Receiver, proof: Proof) -> Https {
    let settings = HttpsSettings {
        name: "https".to_owned(),
        place: place(&format!("{}/in?tenant=7", receiver.url())),
        proof,
        format: Format::Native,
        limits: Limits::default(),
    };
    Https::new(settings, http(None), clock()).unwrap()
}

const KEY: &str = "00112233445566778899aabbccddeeff";

#[tokio::test]
async fn a_receiver_of_ones_own_can_check_who_wrote_the_body_and_when() {
    let receiver = Receiver::plain(|_, _| reply(200, r#"{"receipt":"r-17"}"#)).await;
    let sent = batch(3);
    let receipt = https(&receiver, Proof::Hmac(secret(KEY))).send(&sent).await.unwrap();
    assert_eq!((receipt.accepted, &*receipt.receipt), (3, "r-17"));
    let request = &receiver.received()[0];
    assert_eq!(request.path, "/in?tenant=7");
    assert_eq!(request.header("x-mcpolicy-batch"), sent.id);
    let timestamp = request.header("x-mcpolicy-timestamp");
    assert_eq!(timestamp, "1700000000");
    assert_eq!(
        request.header("x-mcpolicy-signature"),
        format!("v1={}", hmac_by_hand(timestamp, &request.raw))
    );
    let lines: Vec<Value> = request.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
}

/// HMAC as RFC 2104 writes it, not as the crate does.
fn hmac_by_hand(timestamp: &str, body: &[u8]) -> String {
    use sha2::{Digest as _, Sha256};
    let mut key = [0; 64];
    key[..KEY.len()].copy_from_slice(KEY.as_bytes());
    let inner = Sha256::new()
        .chain_update(key.map(|byte| byte ^ 0x36))
        .chain_update(timestamp)
        .chain_update(".")
        .chain_update(body)
        .finalize();
    let outer = Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn what_a_receiver_says_it_accepted_through_is_settled_and_no_more() {
    for (body, expected) in [
        (r#"{"accepted_through":2}"#, Ok(2)),
        (r#"{"accepted_through":"dev-1/event/e/1"}"#, Ok(1)),
        (r#"{"accepted_through":99}"#, Ok(3)),
        (r#"{"accepted_through":0}"#, Err("retry")),
        (r#"{"accepted_through":"of another"}"#, Err("retry")),
        ("", Ok(3)),
        ("thank you", Ok(3)),
    ] {
        let receiver = Receiver::plain(move |_, _| reply(202, body)).await;
        let result = https(&receiver, Proof::Bearer(secret("t"))).send(&batch(3)).await;
        let accepted = result.map(|receipt| receipt.accepted).map_err(|error| kind(&error));
        assert_eq!(accepted, expected, "{body}");
        assert_eq!(receiver.received()[0].header("authorization"), "Bearer t");
    }
}

#[test]
fn a_key_that_can_be_guessed_is_refused() {
    let settings = HttpsSettings {
        name: "https".to_owned(),
        place: place("https://reports.example.com/"),
        proof: Proof::Hmac(secret("hunter2")),
        format: Format::Native,
        limits: Limits::default(),
    };
    let error = Https::new(settings, http(None), clock()).unwrap_err();
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

fn lines(folder: &std::path::Path, max_bytes: u64, keep: u32) -> Lines {
    Lines::new(LinesSettings {
        name: "file".to_owned(),
        path: folder.join("report.ndjson"),
        max_bytes,
        keep,
        format: Format::Native,
        limits: Limits::default(),
    })
}

#[expect(clippy::disallowed_methods, reason = "a file of the test itself")]
fn content(path: &std::path::Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[tokio::test]
async fn a_forwarder_finds_whole_lines_in_files_of_a_bounded_size() {
    let folder = tempfile::tempdir().unwrap();
    let one = batch(1).lines[0].json.len() as u64 + 1;
    let mut sink = lines(folder.path(), one * 2, 2);
    for _ in 0..7 {
        assert_eq!(sink.send(&batch(1)).await.unwrap().accepted, 1);
    }
    let count = |name: &str| content(&folder.path().join(name)).lines().count();
    assert_eq!((count("report.ndjson"), count("report.ndjson.1"), count("report.ndjson.2")), (1, 2, 2));
    assert!(!folder.path().join("report.ndjson.3").exists());
}

#[tokio::test]
async fn half_a_line_that_a_crash_left_stays_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("report.ndjson"), br#"{"half":"#).unwrap();
    lines(folder.path(), 1 << 20, 1).send(&batch(2)).await.unwrap();
    let text = content(&folder.path().join("report.ndjson"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, r#"{"half":"#));
    assert!(serde_json::from_str::<Value>(lines[1]).is_ok());
}

#[tokio::test]
async fn a_receiver_that_asks_to_wait_is_heard() {
    for (header, seconds) in [("120", 120), ("Tue, 14 Nov 2023 22:14:20 GMT", 60), ("86400", 3600)] {
        for status in [429, 503] {
            let receiver = Receiver::plain(move |_, _| with(status, &[("retry-after", header)], "")).await;
            for result in [
                https(&receiver, Proof::Certificate).send(&batch(1)).await,
                otlp(&receiver, Encoding::Json).send(&batch(1)).await,
                elastic(&receiver, ElasticAuth::Certificate).send(&batch(1)).await,
                splunk(&receiver).send(&batch(1)).await,
            ] {
                let Err(SinkError::Retry { after, .. }) = result else { panic!("{result:?}") };
                assert_eq!(after, Some(Duration::from_secs(seconds)), "{status} {header}");
            }
        }
    }
}
