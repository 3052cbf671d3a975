package bus_test

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/bus"
)

const (
	digest  = "sha256:85ad98874ebad5b2ff68634baf3a1eb676274545d30c056db7b77c907412425f"
	subject = "plumbline.event.plum"
)

// envelope is a structured CloudEvent around data.
func envelope(kind, data string) string {
	return `{"specversion":"1.0","id":"a1","source":"/ci","type":"` + kind + `","data":` + data + `}`
}

func deployed(data string) string { return envelope(bus.TypeDeployed, data) }

const plain = `{"service":"plum","color":"green","version":"2026.11.3"}`

func decode(subject string, h nats.Header, body string) (plumbline.Event, error) {
	return bus.Decode("plumbline", bus.Message{Subject: subject, Header: h, Data: []byte(body), Sequence: 7, Time: time.Unix(1, 0)})
}

func TestDecodeModes(t *testing.T) {
	cdevent := `{"context":{"specversion":"0.5.1","id":"a1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","timestamp":"2026-11-23T13:00:00Z"},
	 "subject":{"id":"service/plum","source":"/ci","content":{"environment":{"id":"prod/green"},
	 "artifactId":"pkg:oci/plum@sha256%3A` + digest[7:] + `?tag=2026.11.3"}}}`
	header := nats.Header{"Ce-Specversion": {"1.0"}, "CE-TYPE": {bus.TypeDeployed}, "ce-source": {"/ci"}, "ce-Id": {"%61%31"}, "content-type": {"application/json; charset=utf-8"}}
	full := `{"service":"plum","color":"green","version":"2026.11.3","digest":"` + digest + `"}`
	tests := map[string]struct {
		header nats.Header
		body   string
		digest string
	}{
		"structured, no headers":   {nil, deployed(plain), ""},
		"structured, content type": {nats.Header{"Content-Type": {"application/cloudevents+json"}}, deployed(plain), ""},
		"structured, extensions":   {nil, strings.Replace(deployed(plain), `"id"`, `"traceparent":"00-ab","id"`, 1), ""},
		"structured, base64": {nil, strings.Replace(deployed(`"`+base64.StdEncoding.EncodeToString([]byte(plain))+`"`),
			`"data"`, `"data_base64"`, 1), ""},
		"binary, any case":        {header, plain, ""},
		"digest":                  {nil, deployed(full), digest},
		"CDEvent":                 {nil, cdevent, digest},
		"CDEvent in a CloudEvent": {nil, envelope("dev.cdevents.service.deployed.0.3.0", cdevent), digest},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := decode(subject, test.header, test.body)
			if err != nil {
				t.Fatal(err)
			}
			want := plumbline.Event{Kind: plumbline.EventDeployed, ID: "a1", Source: "/ci", Service: "plum", Color: plumbline.Green,
				Release: plumbline.Release{Version: "2026.11.3", Digest: test.digest}, Run: plumbline.RunID(subject, "/ci", "a1"),
				Sequence: 7, At: time.Unix(1, 0).UTC(), Hash: e.Hash}
			if e != want {
				t.Errorf("got  %+v\nwant %+v", e, want)
			}
			if len(e.Hash) != 16 {
				t.Errorf("hash %q", e.Hash)
			}
		})
	}
	inBinary, _ := decode(subject, header, plain)
	inStructured, _ := decode(subject, nil, deployed(plain))
	if inBinary.Hash != inStructured.Hash {
		t.Errorf("the same data has hash %s in binary and %s in structured mode", inBinary.Hash, inStructured.Hash)
	}
}

func TestDecodeTypes(t *testing.T) {
	green := plumbline.Event{Service: "plum", Color: plumbline.Green}
	with := func(change func(*plumbline.Event)) plumbline.Event {
		e := green
		change(&e)
		return e
	}
	slot := strings.Replace(envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`), `"a1"`, `"2026-11-23T13:00:00Z"`, 1)
	cd := func(kind, custom string) string {
		return `{"context":{"version":"0.4.1","id":"a1","source":"/ci","type":"dev.cdevents.` + kind + `"},"subject":{"id":"plum","content":{"environment":{"id":"green"},"artifactId":"pkg:generic/plum@2026.11.3"}},"customData":` + custom + `}`
	}
	tests := map[string]struct {
		subject, body string
		want          plumbline.Event
	}{
		"deploying": {subject, envelope(bus.TypeDeploying, `{"service":"plum","color":"green"}`),
			with(func(e *plumbline.Event) { e.Kind = plumbline.EventDeploying })},
		"change": {subject, deployed(`{"service":"plum","color":"green","version":"1","change":{"id":"CHG-1","url":"https://chg/1","commit":"c","requested_by":"a","approved_by":"b"}}`),
			with(func(e *plumbline.Event) {
				e.Kind, e.Release.Version = plumbline.EventDeployed, "1"
				e.Change = plumbline.Change{ID: "CHG-1", URL: "https://chg/1", Commit: "c", RequestedBy: "a", ApprovedBy: "b"}
			})},
		"switched": {subject, envelope(bus.TypeSwitched, `{"service":"plum","to":"green","reason":"rollback","by":"switch","epoch":41}`),
			with(func(e *plumbline.Event) {
				e.Kind, e.Reason, e.By, e.Epoch = plumbline.EventSwitched, "rollback", "switch", 41
			})},
		"requested": {subject, envelope(bus.TypeRequested, `{"service":"plum","color":"green","reason":"to be sure"}`),
			with(func(e *plumbline.Event) { e.Kind, e.Reason = plumbline.EventRequested, "to be sure" })},
		"slot": {"plumbline.slot.plum.green", slot, with(func(e *plumbline.Event) { e.Kind, e.ID = plumbline.EventSlot, "2026-11-23T13:00:00Z" })},
		"CDEvent upgraded": {subject, cd("service.upgraded.0.2.0", `{"color":"green","changeId":"CHG-2"}`),
			with(func(e *plumbline.Event) {
				e.Kind, e.Release.Version, e.Change.ID = plumbline.EventDeployed, "2026.11.3", "CHG-2"
			})},
		"CDEvent published": {subject, cd("service.published.0.2.0", `{}`),
			with(func(e *plumbline.Event) { e.Kind, e.Reason = plumbline.EventSwitched, "promote" })},
		"CDEvent rolledback": {subject, cd("service.rolledback.0.2.0", `"text"`),
			with(func(e *plumbline.Event) { e.Kind, e.Reason = plumbline.EventSwitched, "rollback" })},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := decode(test.subject, nil, test.body)
			if err != nil {
				t.Fatal(err)
			}
			if test.want.ID == "" {
				test.want.ID = "a1"
			}
			test.want.Source, test.want.Sequence, test.want.At = "/ci", 7, time.Unix(1, 0).UTC()
			test.want.Run, test.want.Hash = plumbline.RunID(test.subject, "/ci", test.want.ID), got.Hash
			if got != test.want {
				t.Errorf("got  %+v\nwant %+v", got, test.want)
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	long := strings.Repeat("x", 300)
	ce := func(more nats.Header) nats.Header {
		h := nats.Header{"ce-specversion": {"1.0"}, "ce-id": {"a1"}, "ce-source": {"/ci"}, "ce-type": {bus.TypeDeployed}}
		for name, values := range more {
			h[name] = values
		}
		return h
	}
	tests := map[string]struct {
		subject string
		header  nats.Header
		body    string
		want    string
	}{
		"empty":                 {subject, nil, "", "the body is empty"},
		"no JSON":               {subject, nil, "release plum!", "not JSON"},
		"cut off":               {subject, nil, deployed(plain)[:40], "not JSON"},
		"no object":             {subject, nil, `["specversion"]`, "want a JSON object"},
		"no UTF-8":              {subject, nil, deployed("{\"service\":\"\xff\"}"), "no UTF-8"},
		"something behind":      {subject, nil, deployed(plain) + "{}", "something follows"},
		"neither":               {subject, nil, `{"service":"plum"}`, "neither specversion nor context"},
		"too large":             {subject, nil, deployed(`{"service":"` + strings.Repeat("x", bus.MaxEvent) + `"}`), "want at most 262144"},
		"old spec":              {subject, nil, strings.Replace(deployed(plain), `"1.0"`, `"0.3"`, 1), `specversion "0.3", want "1.0"`},
		"number as spec":        {subject, nil, strings.Replace(deployed(plain), `"1.0"`, `1.0`, 1), "specversion is 1.0, want a string"},
		"no id":                 {subject, nil, strings.Replace(deployed(plain), `"id":"a1",`, ``, 1), "id is missing"},
		"id twice":              {subject, nil, strings.Replace(deployed(plain), `"id":"a1",`, `"id":"a1","id":"a2",`, 1), `"id" is there twice`},
		"id too long":           {subject, nil, strings.Replace(deployed(plain), `"a1"`, `"`+long+`"`, 1), "id has 300 characters, want at most 256"},
		"id of two lines":       {subject, nil, strings.Replace(deployed(plain), `"a1"`, `"a\n1"`, 1), "unprintable"},
		"source with an escape": {subject, nil, strings.Replace(deployed(plain), `"/ci"`, `"/ci\u202e"`, 1), "unprintable"},
		"bad time":              {subject, nil, strings.Replace(deployed(plain), `"id"`, `"time":"yesterday","id"`, 1), "want RFC 3339"},
		"data is XML":           {subject, nil, strings.Replace(deployed(plain), `"id"`, `"datacontenttype":"text/xml","id"`, 1), "datacontenttype"},
		"no data":               {subject, nil, `{"specversion":"1.0","id":"a1","source":"/ci","type":"` + bus.TypeDeployed + `"}`, "data is missing"},
		"data is a string":      {subject, nil, deployed(`"{}"`), "want a JSON object"},
		"both data":             {subject, nil, strings.Replace(deployed(plain), `"data"`, `"data_base64":"e30=","data"`, 1), "both data and data_base64"},
		"bad base64":            {subject, nil, strings.Replace(deployed(`"?"`), `"data"`, `"data_base64"`, 1), "not base64"},
		"unknown type":          {subject, nil, envelope("dev.plumbline.release.deploy.v1", plain), `did you mean "dev.plumbline.release.deployed.v1"?`},
		"far type":              {subject, nil, envelope("x", plain), `unknown event type "x", want dev.plumbline`},
		"misspelt key":          {subject, nil, deployed(`{"service":"plum","colour":"green"}`), `unknown key "colour" (did you mean "color"?)`},
		"upper-case key":        {subject, nil, deployed(`{"Service":"plum","color":"green","version":"1"}`), `did you mean "service"?`},
		"key twice":             {subject, nil, deployed(`{"service":"plum","service":"pear","color":"green","version":"1"}`), `"service" is there twice`},
		"unknown color":         {subject, nil, deployed(`{"service":"plum","color":"red","version":"1"}`), `unknown color "red"`},
		"null color":            {subject, nil, deployed(`{"service":"plum","color":null,"version":"1"}`), "data.color is null, want a string"},
		"other service":         {subject, nil, deployed(`{"service":"pear","color":"green","version":"1"}`), `service "pear", but the subject about "plum"`},
		"no version":            {subject, nil, deployed(`{"service":"plum","color":"green"}`), "data.version is missing"},
		"number as version":     {subject, nil, deployed(`{"service":"plum","color":"green","version":1.10}`), "data.version is 1.10, want a string"},
		"long version":          {subject, nil, deployed(`{"service":"plum","color":"green","version":"` + long[:129] + `"}`), "at most 128"},
		"blank version":         {subject, nil, deployed(`{"service":"plum","color":"green","version":" 1"}`), "blanks"},
		"short digest":          {subject, nil, deployed(`{"service":"plum","color":"green","version":"1","digest":"sha256:ab"}`), "64 lower-case hex digits"},
		"upper-case digest":     {subject, nil, deployed(`{"service":"plum","color":"green","version":"1","digest":"` + strings.ToUpper(digest) + `"}`), "64 lower-case hex digits"},
		"change key":            {subject, nil, deployed(`{"service":"plum","color":"green","version":"1","change":{"ticket":"1"}}`), `data.change: unknown key "ticket"`},
		"change URL":            {subject, nil, deployed(`{"service":"plum","color":"green","version":"1","change":{"url":"javascript:alert(1)"}}`), "want an http or https URL"},
		"switch reason":         {subject, nil, envelope(bus.TypeSwitched, `{"service":"plum","to":"green","reason":"rolback"}`), `did you mean "rollback"?`},
		"negative epoch":        {subject, nil, envelope(bus.TypeSwitched, `{"service":"plum","to":"green","epoch":-1}`), "want a whole number"},
		"switch without to":     {subject, nil, envelope(bus.TypeSwitched, `{"service":"plum"}`), "data.to is missing"},
		"slot on event subject": {subject, nil, strings.Replace(envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`), "a1", "2026-11-23T13:00:00Z", 1), "doesn't belong to subject"},
		"event on slot subject": {"plumbline.slot.plum.green", nil, deployed(plain), "doesn't belong to subject"},
		"slot of other color":   {"plumbline.slot.plum.blue", nil, strings.Replace(envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`), "a1", "2026-11-23T13:00:00Z", 1), `the subject about "blue"`},
		"slot without instant":  {"plumbline.slot.plum.green", nil, envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`), "want an instant in UTC"},
		"slot in another zone":  {"plumbline.slot.plum.green", nil, strings.Replace(envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`), "a1", "2026-11-23T13:00:00+01:00", 1), "want an instant in UTC"},
		"subject too deep":      {"plumbline.event.plum.green", nil, deployed(plain), "names no service"},
		"subject with bad name": {"plumbline.event.Plum", nil, deployed(plain), "names no service"},
		"subject of others":     {"other.event.plum", nil, deployed(plain), "names no service"},
		"binary without id":     {subject, nats.Header{"ce-specversion": {"1.0"}, "ce-type": {bus.TypeDeployed}, "ce-source": {"/ci"}}, plain, "id is missing"},
		"binary without spec":   {subject, nats.Header{"ce-id": {"a1"}}, plain, `specversion "", want "1.0"`},
		"binary, two ids":       {subject, ce(nats.Header{"CE-ID": {"a2"}}), plain, "twice, with different values"},
		"binary, bad encoding":  {subject, ce(nats.Header{"ce-x": {"100%!"}}), plain, "percent-encoded"},
		"binary, cut encoding":  {subject, ce(nats.Header{"ce-x": {"100%2"}}), plain, "ends inside"},
		"binary, no UTF-8":      {subject, ce(nats.Header{"ce-x": {"%ff"}}), plain, "no UTF-8"},
		"binary, XML":           {subject, ce(nats.Header{"Content-Type": {"text/xml"}}), plain, "content type"},
		"binary, no JSON":       {subject, ce(nil), "plum", "not JSON"},
		"CDEvent of another kind": {subject, nil, `{"context":{"specversion":"0.5.1","id":"a1","source":"/ci","type":"dev.cdevents.service.removed.0.3.0"}}`,
			"want service.deployed"},
		"CDEvent too old": {subject, nil, `{"context":{"version":"0.1.0","id":"a1","source":"/ci","type":"dev.cdevents.service.deployed.0.1.0"}}`, "want 0.3 to 0.5"},
		"CDEvent without color": {subject, nil, `{"context":{"specversion":"0.5.1","id":"a1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0"},"subject":{"id":"plum","content":{"environment":{"id":"prod"}}}}`,
			`unknown color "prod"`},
		"CDEvent without version": {subject, nil, `{"context":{"specversion":"0.5.1","id":"a1","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0"},"subject":{"id":"plum","content":{"environment":{"id":"green"}}}}`,
			"no version"},
		"no CDEvent": {subject, nil, `{"context":{"type":"com.example"}}`, "want dev.cdevents."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := decode(test.subject, test.header, test.body)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if e != (plumbline.Event{}) {
				t.Errorf("an event beside an error: %+v", e)
			}
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 600 {
				t.Errorf("not one short line: %q", err)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	for _, over := range []int{0, 1} { // of the size up to which an event is read
		f.Add(subject, "", "", deployed(plain)+strings.Repeat(" ", bus.MaxEvent+over-len(deployed(plain))))
	}
	f.Add(subject, "", "", deployed(plain))
	f.Add(subject, "ce-id", "%61", plain)
	f.Add(subject, "Content-Type", "application/cloudevents+json", envelope(bus.TypeSwitched, `{"service":"plum","to":"blue"}`))
	f.Add("plumbline.slot.plum.green", "", "", envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`))
	f.Add(subject, "", "", `{"context":{"specversion":"0.5.1","type":"dev.cdevents.service.deployed.0.3.0"},"subject":{"id":"plum"},"customData":{"color":"green"}}`)
	f.Fuzz(func(t *testing.T, subject, name, value, body string) {
		e, err := decode(subject, nats.Header{name: {value}}, body)
		if err != nil {
			if e != (plumbline.Event{}) {
				t.Fatalf("an event beside an error: %+v", e)
			}
			return
		}
		if plumbline.CheckName(e.Service) != nil || e.Color.Other() == "" || len(e.Run) != 26 || len(e.Hash) != 16 || e.ID == "" || e.Source == "" {
			t.Fatalf("half an event: %+v", e)
		}
		if !strings.Contains(subject, "."+e.Service) || len(body) > bus.MaxEvent {
			t.Fatalf("%s got an event about %s of %d bytes", subject, e.Service, len(body))
		}
		if e.Kind == plumbline.EventDeployed && e.Release.Version == "" {
			t.Fatal("a release without a version")
		}
	})
}

func TestPublishersSayWhatIsTheirs(t *testing.T) {
	const release, controller = subject + ".release", subject + ".switch"
	deploying := envelope(bus.TypeDeploying, `{"service":"plum","color":"green"}`)
	requested := envelope(bus.TypeRequested, `{"service":"plum","color":"green"}`)
	switched := envelope(bus.TypeSwitched, `{"service":"plum","to":"green"}`)
	published := `{"context":{"version":"0.4.1","id":"a1","source":"/ci","type":"dev.cdevents.service.published.0.2.0"},"subject":{"id":"plum","content":{"environment":{"id":"green"}}}}`
	slot := strings.Replace(envelope(bus.TypeSlot, `{"service":"plum","color":"green"}`), `"a1"`, `"2026-11-23T13:00:00Z"`, 1)
	for name, test := range map[string]struct {
		subject, body string
		taken         bool
	}{
		"a release":                    {release, deployed(plain), true},
		"a deployment under way":       {release, deploying, true},
		"a request":                    {release, requested, true},
		"a switch of release tooling":  {release, switched, false},
		"a published service of it":    {release, published, false},
		"a slot of release tooling":    {release, slot, false},
		"a switch":                     {controller, switched, true},
		"a published service":          {controller, published, true},
		"a release of a controller":    {controller, deployed(plain), false},
		"a deployment of it":           {controller, deploying, false},
		"a request of a controller":    {controller, requested, false},
		"a slot of a controller":       {controller, slot, false},
		"somebody nobody knows":        {subject + ".auditor", deployed(plain), false},
		"a release of another service": {"plumbline.event.pear.release", deployed(plain), false},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := decode(test.subject, nil, test.body)
			if (err == nil) != test.taken {
				t.Fatalf("got %+v, %v", e, err)
			}
			of := subject // release tooling computes it from the subject that it knows
			if test.subject == controller {
				of = controller
			}
			if test.taken && e.Run != plumbline.RunID(of, "/ci", "a1") {
				t.Errorf("run %s isn't that of the same event on %s", e.Run, of)
			}
		})
	}
}
