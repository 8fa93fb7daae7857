//! Against the official definitions.

use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use proptest::prelude::*;
use prost::Message as _;

use super::*;

fn resources(body: String, time_ns: u64, severity: u8) -> Vec<Resource> {
    let record = LogRecord {
        time_ns,
        observed_ns: time_ns / 2,
        severity,
        severity_text: "WARN",
        event_name: "mcpolicy.finding".to_owned(),
        body,
        attributes: vec![("log.record.uid", "device/violation/1".to_owned())],
    };
    let attributes = vec![("service.name", "mcpolicy".to_owned()), ("host.name", String::new())];
    vec![Resource { attributes, records: vec![record.clone(), record] }]
}

proptest! {
    #[test]
    fn what_is_written_is_read_by_the_official_definitions_both_ways(
        body in ".{0,300}",
        time in any::<u64>(),
        severity in 1_u8..25,
    ) {
        let resources = resources(body.clone(), time, severity);
        let read = ExportLogsServiceRequest::decode(&*protobuf(&resources)).unwrap();
        let from_json: ExportLogsServiceRequest = serde_json::from_value(as_json(&resources)).unwrap();
        prop_assert_eq!(&read, &from_json);
        // nothing was lost on the way: what they write of it is what was written
        prop_assert_eq!(read.encode_to_vec().len(), protobuf(&resources).len());
        let logs = &read.resource_logs[0].scope_logs[0].log_records;
        prop_assert_eq!(logs.len(), 2);
        prop_assert_eq!(logs[0].time_unix_nano, time);
        prop_assert_eq!(logs[0].severity_number, i32::from(severity));
        prop_assert_eq!(&logs[0].event_name, "mcpolicy.finding");
        prop_assert_eq!(logs[0].body.clone(), Some(any_text(&body)));
        prop_assert_eq!(logs[0].attributes[0].key.as_str(), "log.record.uid");
    }

    #[test]
    fn a_partial_success_is_read_as_it_is_written(count in 0_i64..1_000_000, message in ".{0,50}") {
        let partial = ExportLogsPartialSuccess { rejected_log_records: count, error_message: message.clone() };
        let response = ExportLogsServiceResponse { partial_success: Some(partial) };
        let expected = (count > 0).then(|| (count.cast_unsigned(), message));
        prop_assert_eq!(partial_success(&response.encode_to_vec(), false), Ok(expected.clone()));
        let text = serde_json::to_vec(&response).unwrap();
        prop_assert_eq!(partial_success(&text, true), Ok(expected));
    }

    #[test]
    fn no_answer_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = partial_success(&bytes, false);
        let _ = partial_success(&bytes, true);
    }
}

fn any_text(text: &str) -> opentelemetry_proto::tonic::common::v1::AnyValue {
    use opentelemetry_proto::tonic::common::v1::{AnyValue, any_value::Value};
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

#[test]
fn an_empty_answer_is_a_success() {
    assert_eq!(partial_success(b"", false), Ok(None));
    assert_eq!(partial_success(b"", true), Ok(None));
    assert_eq!(partial_success(b"{}", true), Ok(None));
    assert_eq!(
        partial_success(br#"{"partialSuccess":{"rejectedLogRecords":3}}"#, true),
        Ok(Some((3, String::new())))
    );
}
