package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/plumbline-dev/plumbline/bus"
)

// compiled is a schema as the command prints it.
func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	var out bytes.Buffer
	if code := Run(t.Context(), []string{"schema", name}, Shell{Out: &out, Err: io.Discard}); code != 0 {
		t.Fatalf("schema %s: exit %d", name, code)
	}
	document, err := jsonschema.UnmarshalJSON(&out)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func fits(t *testing.T, schema *jsonschema.Schema, what string, document []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatalf("%s: %v\n%s", what, err, document)
	}
	if err := schema.Validate(v); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// TestDocumentsFitTheirSchemas holds what a stage really writes against what the program says of it.
func TestDocumentsFitTheirSchemas(t *testing.T) {
	t.Chdir("../..")
	a := &app{Shell: Shell{Out: io.Discard, Err: io.Discard}}
	s, err := a.setStage(t.Context(), 0, true, quietRate)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	config, verdicts, gates, lines := commandConfig(t, s), compiled(t, "verdict"), compiled(t, "gate"), compiled(t, "ndjson")
	run := func(args ...string) []byte {
		var out bytes.Buffer
		code := Run(t.Context(), append(args, "--config", config), Shell{Out: &out, Err: io.Discard, Env: []string{"PLUM_CLIENT_SECRET=" + s.secret}})
		if code != 0 && code != exitFail {
			t.Fatalf("%v: exit %d", args, code)
		}
		return out.Bytes()
	}
	smoke := filepath.Join("suites", "plum", "smoke.yaml")
	fits(t, verdicts, "a fail of release", run("release", "plum", "green", "--version", "0.0.1", "--wait", "--format", "json"))
	fits(t, verdicts, "a run", run("run", smoke, "--environment", "plum/blue", "--version", "x", "--format", "json"))
	fits(t, verdicts, "a run against an address", run("run", smoke, "--target", s.sandbox.BlueURL, "--format", "json"))
	for _, purpose := range []string{"promote", "rollback"} {
		for _, color := range []string{"blue", "green"} {
			fits(t, gates, color+" "+purpose, run("gate", "plum", color, "--purpose", purpose, "--format", "json"))
		}
	}
	seen := map[string]int{}
	for line := range bytes.Lines(run("run", smoke, "--environment", "plum/green", "--format", "ndjson")) {
		fits(t, lines, "a line", line)
		var told struct{ Event string }
		if err := json.Unmarshal(line, &told); err != nil {
			t.Fatal(err)
		}
		seen[told.Event]++
	}
	if seen["run"] != 1 || seen["verdict"] != 1 || seen["check"] < 5 {
		t.Errorf("the lines were %v", seen)
	}
	answer, err := http.Get("http://" + s.daemon.Address() + "/v1/gates/plum/green")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	document, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	fits(t, gates, "the gate over HTTP", document)
	for _, wrong := range []string{`{}`, `{"schema": "plumbline.verdict/v1"}`, `{"event": "check"}`} {
		v, _ := jsonschema.UnmarshalJSON(strings.NewReader(wrong))
		if verdicts.Validate(v) == nil || gates.Validate(v) == nil || lines.Validate(v) == nil {
			t.Errorf("%s fits", wrong)
		}
	}
}

// TestEventSchema: the documents' examples fit, and of events that are changed in many small ways the schema refuses
// none that a daemon serves.
func TestEventSchema(t *testing.T) {
	schema := compiled(t, "event")
	t.Chdir("../..")
	decode := func(data []byte) error {
		_, err := bus.Decode("plumbline", bus.Message{Subject: "plumbline.event.plum", Data: data, Sequence: 1})
		return err
	}
	examples, refused, both := 0, 0, 0
	for _, b := range blocks(t) {
		if b.info != "json event" {
			continue
		}
		examples++
		fits(t, schema, b.file, []byte(b.text))
		var document any
		if err := json.Unmarshal([]byte(b.text), &document); err != nil {
			t.Fatal(err)
		}
		alter(document, func(what string) {
			data, err := json.Marshal(document)
			if err != nil {
				t.Fatal(err)
			}
			v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			problem, served := schema.Validate(v), decode(data) == nil
			switch {
			case problem != nil && served:
				t.Errorf("%s: a daemon serves %s, but it doesn't fit: %v", what, data, problem)
			case problem != nil:
				refused++
			case !served:
				both++
			}
		})
	}
	if examples < 4 || refused < 100 || both > refused/2 {
		t.Errorf("%d examples, %d wrong ones refused, %d wrong ones taken", examples, refused, both)
	}
}

// alter changes one member after another, and puts it back.
func alter(v any, try func(what string)) {
	object, is := v.(map[string]any)
	if !is {
		return
	}
	for key, was := range object {
		for _, value := range []any{nil, 7, "", "text", true, []any{}, map[string]any{}, "2026-13-01", strings.Repeat("x", 3000)} {
			object[key] = value
			try(fmt.Sprintf("%s: %v", key, value))
		}
		delete(object, key)
		try("without " + key)
		object[key+"x"] = was
		try("key " + key + "x")
		delete(object, key+"x")
		object[key] = was
		alter(was, try)
	}
}

func TestEverySchemaIsOne(t *testing.T) {
	for name := range schemas() {
		compiled(t, name)
	}
}
