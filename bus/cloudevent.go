package bus

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
)

// The content types of CloudEvents.
const (
	contentType     = "Content-Type"
	typeJSON        = "application/json"
	typeCloudEvent  = "application/cloudevents+json"
	cloudEventsSpec = "1.0"
)

// A cloudEvent is an event as it travels, whatever mode it came in.
type cloudEvent struct {
	id, source, kind string
	data             []byte // the exact bytes of a JSON object
}

// envelope is a CloudEvent in structured mode, in the order in which people read it.
type envelope struct {
	SpecVersion string    `json:"specversion"`
	Type        string    `json:"type"`
	Source      string    `json:"source"`
	ID          string    `json:"id"`
	Time        time.Time `json:"time,omitzero"`
	ContentType string    `json:"datacontenttype"`
	Data        any       `json:"data"`
}

// structured makes a message of an event. Equal input gives equal bytes.
func structured(subject, kind, source, id string, at time.Time, data any) (*nats.Msg, error) {
	body, err := json.Marshal(envelope{SpecVersion: cloudEventsSpec, Type: kind, Source: source, ID: id, Time: at.UTC(), ContentType: typeJSON, Data: data})
	if err != nil {
		return nil, err
	}
	m := nats.NewMsg(subject)
	m.Header.Set(contentType, typeCloudEvent)
	m.Data = body
	return m, nil
}

// unwrap reads the data of plumbline's own structured events.
func unwrap(body []byte, kind string, into any) error {
	got, data, err := open(body)
	if err != nil {
		return err
	}
	if got != kind {
		return fmt.Errorf("type %q, want %s", got, kind)
	}
	return json.Unmarshal(data, into)
}

// open gives type and data of an event in structured mode.
func open(body []byte) (kind string, data json.RawMessage, err error) {
	var e struct {
		Type string          `json:"type"`
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return "", nil, fmt.Errorf("not a CloudEvent: %w", err)
	}
	return e.Type, e.Data, nil
}

// parseCloudEvent sniffs the mode: headers come first, then the content type, then the body itself.
func parseCloudEvent(header nats.Header, body []byte) (cloudEvent, error) {
	attributes, err := ceHeaders(header)
	if err != nil {
		return cloudEvent{}, err
	}
	if len(attributes) > 0 {
		return binaryEvent(attributes, anyHeader(header, contentType), body)
	}
	if err := checkText(body); err != nil {
		return cloudEvent{}, err
	}
	members, err := object(body)
	if err != nil {
		return cloudEvent{}, fmt.Errorf("no event: %w", err)
	}
	if members["specversion"] == nil && members["context"] != nil {
		return parseCDEvent(members, body)
	}
	return structuredEvent(members)
}

func binaryEvent(attributes map[string]string, media string, body []byte) (cloudEvent, error) {
	if err := checkText(body); err != nil {
		return cloudEvent{}, err
	}
	if media != "" && !isJSON(media) {
		return cloudEvent{}, fmt.Errorf("content type %q, want %s", media, typeJSON)
	}
	return newCloudEvent(attributes["specversion"], attributes["id"], attributes["source"], attributes["type"], attributes["time"], bytes.TrimSpace(body))
}

func structuredEvent(members map[string]json.RawMessage) (cloudEvent, error) {
	text := map[string]string{}
	for _, name := range []string{"specversion", "id", "source", "type", "time", "datacontenttype"} {
		if raw := members[name]; raw != nil && json.Unmarshal(raw, new(string)) != nil {
			return cloudEvent{}, fmt.Errorf("%s is %s, want a string", name, clip(string(raw), 64))
		} else if raw != nil {
			text[name] = unquote(raw)
		}
	}
	if members["specversion"] == nil {
		return cloudEvent{}, errors.New("no event: the body has neither specversion nor context, want a CloudEvent or a CDEvent")
	}
	if media := text["datacontenttype"]; media != "" && !isJSON(media) {
		return cloudEvent{}, fmt.Errorf("datacontenttype %q, want %s", media, typeJSON)
	}
	data := []byte(members["data"])
	if encoded := members["data_base64"]; encoded != nil {
		if data != nil {
			return cloudEvent{}, errors.New("both data and data_base64, want one of them")
		}
		var err error
		if data, err = base64.StdEncoding.DecodeString(unquote(encoded)); err != nil {
			return cloudEvent{}, errors.New("data_base64 is not base64")
		}
		if err := checkText(data); err != nil {
			return cloudEvent{}, fmt.Errorf("data_base64: %w", err)
		}
	}
	return newCloudEvent(text["specversion"], text["id"], text["source"], text["type"], text["time"], data)
}

func newCloudEvent(spec, id, source, kind, at string, data []byte) (cloudEvent, error) {
	if spec != cloudEventsSpec {
		return cloudEvent{}, fmt.Errorf("specversion %q, want %q", clip(spec, 16), cloudEventsSpec)
	}
	for _, a := range []struct{ name, value string }{{"id", id}, {"source", source}, {"type", kind}} {
		if err := checkLine(a.name, a.value, maxAttribute); err != nil {
			return cloudEvent{}, err
		}
		if a.value == "" {
			return cloudEvent{}, fmt.Errorf("%s is missing", a.name)
		}
	}
	if _, err := time.Parse(time.RFC3339, at); at != "" && err != nil {
		return cloudEvent{}, fmt.Errorf("time %q, want RFC 3339", clip(at, 64))
	}
	if len(data) == 0 {
		return cloudEvent{}, errors.New("data is missing")
	}
	return cloudEvent{id: id, source: source, kind: kind, data: data}, nil
}

// ceHeaders are the attributes of binary mode by lower-case name. Servers and clients change the case of headers.
func ceHeaders(header nats.Header) (map[string]string, error) {
	attributes := map[string]string{}
	for name, values := range header {
		attribute, is := strings.CutPrefix(strings.ToLower(name), "ce-")
		if !is {
			continue
		}
		for _, value := range values {
			decoded, err := percentDecode(value)
			if err != nil {
				return nil, fmt.Errorf("header %s: %w", clip(name, 64), err)
			}
			if known, twice := attributes[attribute]; twice && known != decoded {
				return nil, fmt.Errorf("header ce-%s is there twice, with different values", clip(attribute, 64))
			}
			attributes[attribute] = decoded
		}
	}
	return attributes, nil
}

// percentDecode undoes the encoding of the binding: a value may be quoted, and then its bytes percent-encoded.
func percentDecode(value string) (string, error) {
	if len(value) >= 2 && value[0] == '"' && value[len(value)-1] == '"' {
		value = strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(value[1 : len(value)-1])
	}
	out := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		if value[i] != '%' {
			out = append(out, value[i])
			continue
		}
		if i+2 >= len(value) {
			return "", errors.New("ends inside a percent-encoded byte")
		}
		octet, err := hex.DecodeString(value[i+1 : i+3])
		if err != nil {
			return "", fmt.Errorf("%q is no percent-encoded byte, want %%25 for a percent sign", clip(value[i:i+3], 8))
		}
		out = append(out, octet[0])
		i += 2
	}
	if !utf8.Valid(out) {
		return "", errors.New("is no UTF-8")
	}
	return string(out), nil
}

func anyHeader(header nats.Header, wanted string) string {
	for name, values := range header {
		if strings.EqualFold(name, wanted) && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

func isJSON(media string) bool {
	media, _, _ = strings.Cut(strings.ToLower(media), ";")
	media = strings.TrimSpace(media)
	return media == typeJSON || media == "text/json" || strings.HasSuffix(media, "+json")
}

// hash16 is what tells two messages of the same id apart: the first 16 hex digits of the SHA-256.
func hash16(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
