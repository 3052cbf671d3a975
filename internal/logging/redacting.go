package logging

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// redacting hands records on without secrets. The attributes of a logger are redacted once, when it is made.
type redacting struct {
	next   slog.Handler
	redact func(string) string
}

func (h redacting) Enabled(ctx context.Context, level slog.Level) bool {
	return h.next.Enabled(ctx, level)
}

func (h redacting) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, h.redact(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.attr(a))
		return true
	})
	return h.next.Handle(ctx, clean)
}

func (h redacting) WithAttrs(attrs []slog.Attr) slog.Handler {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = h.attr(a)
	}
	return redacting{h.next.WithAttrs(clean), h.redact}
}

func (h redacting) WithGroup(name string) slog.Handler {
	return redacting{h.next.WithGroup(name), h.redact}
}

func (h redacting) attr(a slog.Attr) slog.Attr {
	return slog.Attr{Key: h.redact(a.Key), Value: h.value(a.Value.Resolve())}
}

func (h redacting) value(v slog.Value) slog.Value {
	switch v.Kind() {
	case slog.KindString:
		return slog.StringValue(h.redact(v.String()))
	case slog.KindGroup:
		group := v.Group()
		clean := make([]slog.Attr, len(group))
		for i, a := range group {
			clean[i] = h.attr(a)
		}
		return slog.GroupValue(clean...)
	case slog.KindAny:
		return h.any(v.Any())
	}
	return v // numbers, times and booleans
}

// any keeps a value as it is if nothing that a handler could write of it contains a secret, and makes text of it
// otherwise. Errors and Stringers are text in every format.
func (h redacting) any(value any) slog.Value {
	switch v := value.(type) {
	case nil:
		return slog.AnyValue(nil)
	case error:
		return slog.StringValue(h.redact(v.Error()))
	case fmt.Stringer:
		return slog.StringValue(h.redact(fmt.Sprint(v)))
	case []byte:
		return slog.StringValue(h.redact(string(v)))
	}
	printed := fmt.Sprintf("%+v", value)
	clean := h.redact(printed)
	encoded, err := json.Marshal(value)
	if clean == printed && err == nil && h.redact(string(encoded)) == string(encoded) {
		return slog.AnyValue(value)
	}
	return slog.StringValue(clean)
}
