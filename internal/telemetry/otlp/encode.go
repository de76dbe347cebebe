package otlp

import (
	"time"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/coderflow/coderflow/internal/telemetry"
)

var kinds = map[telemetry.Kind]tracepb.Span_SpanKind{
	telemetry.Internal: tracepb.Span_SPAN_KIND_INTERNAL, telemetry.Server: tracepb.Span_SPAN_KIND_SERVER, telemetry.Client: tracepb.Span_SPAN_KIND_CLIENT,
}

func encode(s telemetry.Span) *tracepb.Span {
	span := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], Name: s.Name, Kind: kinds[s.Kind],
		StartTimeUnixNano: nanoseconds(s.Start), EndTimeUnixNano: nanoseconds(s.End), Attributes: attributes(s.Attributes),
		Status: &tracepb.Status{},
	}
	if s.Parent != (telemetry.SpanID{}) {
		span.ParentSpanId = s.Parent[:]
	}
	if s.Failed {
		span.Status.Code = tracepb.Status_STATUS_CODE_ERROR
	}
	if s.Link != nil {
		span.Links = []*tracepb.Span_Link{{TraceId: s.Link.Trace[:], SpanId: s.Link.Span[:]}}
	}
	return span
}

func nanoseconds(t time.Time) uint64 { return uint64(max(t.UnixNano(), 0)) } //nolint:gosec // it is not negative

func resourceOf(list []telemetry.Attribute) *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: attributes(list)}
}

func attributes(list []telemetry.Attribute) []*commonpb.KeyValue {
	var all []*commonpb.KeyValue
	for _, a := range list {
		value := &commonpb.AnyValue{}
		switch v := a.Value.(type) {
		case string:
			if v == "" {
				continue // not known
			}
			value.Value = &commonpb.AnyValue_StringValue{StringValue: v}
		case int64:
			value.Value = &commonpb.AnyValue_IntValue{IntValue: v}
		case bool:
			value.Value = &commonpb.AnyValue_BoolValue{BoolValue: v}
		}
		all = append(all, &commonpb.KeyValue{Key: a.Key, Value: value})
	}
	return all
}
