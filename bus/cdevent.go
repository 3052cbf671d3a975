package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/plumbline-dev/plumbline"
)

// cdEventsType begins the types of all CDEvents.
const cdEventsType = "dev.cdevents."

// cdEventKinds are the CDEvents that plumbline reads, whatever the version of their schema.
var cdEventKinds = map[string]plumbline.EventKind{
	"service.deployed":   plumbline.EventDeployed,
	"service.upgraded":   plumbline.EventDeployed,
	"service.published":  plumbline.EventSwitched,
	"service.rolledback": plumbline.EventSwitched,
}

// parseCDEvent reads a bare CDEvent: its context has the attributes of a CloudEvent, the whole body is the data.
func parseCDEvent(members map[string]json.RawMessage, body []byte) (cloudEvent, error) {
	context, err := object(members["context"])
	if err != nil {
		return cloudEvent{}, fmt.Errorf("context: %w", err)
	}
	kind := unquote(context["type"])
	if !strings.HasPrefix(kind, cdEventsType) {
		return cloudEvent{}, fmt.Errorf("context.type %q, want %sservice.deployed and the like", clip(kind, 128), cdEventsType)
	}
	return newCloudEvent(cloudEventsSpec, unquote(context["id"]), unquote(context["source"]), kind, unquote(context["timestamp"]), body)
}

// cdEvent is what plumbline reads of a CDEvent. Further members are the sender's business.
type cdEvent struct {
	Context struct {
		Version string `json:"specversion"` // since 0.5
		Older   string `json:"version"`     // before
		Type    string `json:"type"`
	} `json:"context"`
	Subject struct {
		ID      string `json:"id"`
		Content struct {
			Environment struct {
				ID string `json:"id"`
			} `json:"environment"`
			Artifact string `json:"artifactId"`
		} `json:"content"`
	} `json:"subject"`
	Custom json.RawMessage `json:"customData"`
}

// cdCustom is what customData may add; a string or another shape adds nothing.
type cdCustom struct {
	Color   string `json:"color"`
	Version string `json:"version"`
	Digest  string `json:"digest"`
	Change  string `json:"changeId"`
	By      string `json:"by"`
}

func decodeCDEvent(ce cloudEvent) (plumbline.Event, error) {
	var in cdEvent
	if err := json.Unmarshal(ce.data, &in); err != nil {
		return plumbline.Event{}, fmt.Errorf("CDEvent: %w", err)
	}
	if in.Context.Type != ce.kind {
		return plumbline.Event{}, fmt.Errorf("CDEvent: context.type %q, but the CloudEvent has type %q", clip(in.Context.Type, 128), clip(ce.kind, 128))
	}
	spec := in.Context.Version + in.Context.Older
	if !strings.HasPrefix(spec, "0.3.") && !strings.HasPrefix(spec, "0.4.") && !strings.HasPrefix(spec, "0.5.") {
		return plumbline.Event{}, fmt.Errorf("CDEvent: specversion %q, want 0.3 to 0.5", clip(spec, 32))
	}
	kind, err := cdEventKind(ce.kind)
	if err != nil {
		return plumbline.Event{}, err
	}
	var custom cdCustom
	_ = json.Unmarshal(in.Custom, &custom) // what it lacks is missed below
	e := plumbline.Event{Kind: kind, Service: lastSegment(in.Subject.ID)}
	color := custom.Color
	if color == "" {
		color = lastSegment(in.Subject.Content.Environment.ID)
	}
	if e.Color, err = plumbline.ParseColor(color); err != nil {
		return plumbline.Event{}, fmt.Errorf("CDEvent: customData.color or the end of environment.id: %w", err)
	}
	if kind == plumbline.EventSwitched {
		e.Reason = string(plumbline.ReasonPromote)
		if strings.Contains(ce.kind, ".rolledback.") {
			e.Reason = string(plumbline.ReasonRollback)
		}
		e.By = custom.By
		return e, checkLine("customData.by", e.By, maxAttribute)
	}
	if e.Release, err = cdRelease(in.Subject.Content.Artifact, custom); err != nil {
		return plumbline.Event{}, fmt.Errorf("CDEvent: %w", err)
	}
	e.Change.ID = custom.Change
	return e, checkLine("customData.changeId", e.Change.ID, maxAttribute)
}

// cdEventKind reads dev.cdevents.service.deployed.0.3.0.
func cdEventKind(kind string) (plumbline.EventKind, error) {
	tokens := strings.SplitN(strings.TrimPrefix(kind, cdEventsType), ".", 3)
	if len(tokens) == 3 {
		if k := cdEventKinds[tokens[0]+"."+tokens[1]]; k != "" {
			return k, nil
		}
	}
	return "", fmt.Errorf("unknown event type %q, want service.deployed, service.upgraded, service.published or service.rolledback", clip(kind, 128))
}

// cdRelease takes version and digest from customData, else from a purl like pkg:oci/plum@sha256%3A…?tag=2026.11.3.
func cdRelease(artifact string, custom cdCustom) (plumbline.Release, error) {
	r := plumbline.Release{Version: custom.Version, Digest: custom.Digest}
	if purl, is := strings.CutPrefix(artifact, "pkg:"); is {
		purl, _, _ = strings.Cut(purl, "#")
		path, query, _ := strings.Cut(purl, "?")
		_, at, _ := strings.Cut(path, "@")
		version, err := url.PathUnescape(at)
		qualifiers, bad := url.ParseQuery(query)
		if err := errors.Join(err, bad); err != nil {
			return r, fmt.Errorf("artifactId %q is no package URL", clip(artifact, 128))
		}
		if tag := qualifiers.Get("tag"); r.Version == "" {
			r.Version = tag
		}
		switch {
		case strings.HasPrefix(version, "sha256:") && r.Digest != "" && r.Digest != version:
			return r, fmt.Errorf("customData.digest %q, but artifactId has %q", clip(r.Digest, 100), clip(version, 100))
		case strings.HasPrefix(version, "sha256:"):
			r.Digest = version
		case r.Version == "":
			r.Version = version
		}
	}
	if r.Version == "" {
		return r, errors.New("no version: want customData.version, or a package URL with one as artifactId")
	}
	if r.Digest != "" && !digestRule.MatchString(r.Digest) {
		return r, fmt.Errorf("digest %q, want sha256: and 64 lower-case hex digits", clip(r.Digest, 100))
	}
	return r, checkLine("version", r.Version, maxVersion)
}

func lastSegment(id string) string { return id[strings.LastIndex(id, "/")+1:] }
