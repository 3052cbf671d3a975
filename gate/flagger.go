package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/plumbline-dev/plumbline"
)

// MaxBody bounds the body of a question, in bytes.
const MaxBody = 64 << 10

const askToken = "token" // where Flagger, which can't set headers, carries it

// serveConfirm answers Flagger's confirm hooks: 200 means that traffic may move, everything else that it may not.
// 202 would pass as well, and the text of 429 and 5xx is thrown away, so that all that is no yes is 403.
func (g *Gate) serveConfirm(w http.ResponseWriter, r *http.Request) {
	asked, status, err := g.fromFlagger(w, r)
	if err == nil && asked.Version == "" {
		status, err = http.StatusForbidden, errNoVersion
	}
	if err != nil {
		writeText(w, status, err.Error())
		return
	}
	doc, err := g.Answer(r.PathValue("service"), plumbline.Color(r.PathValue("color")), asked)
	switch {
	case err != nil:
		writeText(w, flaggerStatus(err), err.Error())
	case doc.Gate == plumbline.GateOpen:
		writeText(w, http.StatusOK, "open: "+doc.Reason)
	default:
		writeText(w, http.StatusForbidden, string(doc.Gate)+": "+doc.Reason)
	}
}

// serveRollback answers Flagger's rollback hooks, where 200 means that the canary is given up.
func (g *Gate) serveRollback(w http.ResponseWriter, r *http.Request) {
	asked, status, err := g.fromFlagger(w, r)
	if err != nil {
		writeText(w, status, err.Error())
		return
	}
	color := plumbline.Color(r.PathValue("color"))
	known, err := g.look(r.PathValue("service"), color)
	if err != nil {
		g.metrics.refused(err)
		writeText(w, flaggerStatus(err), err.Error())
		return
	}
	if advised, why := rollbackAdvised(g.decide(known, color, asked), known.record.Colors[color], asked); advised {
		writeText(w, http.StatusOK, "roll back: "+why)
	} else {
		writeText(w, http.StatusForbidden, "no rollback: "+why)
	}
}

// rollbackAdvised says whether this very deployment is known to be bad: an explicit fail by its own checks. Not knowing
// is no reason to roll back, and neither is a fail that may be about another release than the one that isn't named.
func rollbackAdvised(doc plumbline.Gate, state plumbline.ColorState, asked plumbline.Asked) (bool, string) {
	last, advised := state.Last, doc.Advice == plumbline.AdviceRollback
	switch {
	case asked.Version == "" && !advised:
		return false, errNoVersion.Error()
	case asked.Version != "" && asked.Version != state.Release.Version,
		asked.Digest != "" && asked.Digest != state.Release.Digest,
		asked.Event != "" && asked.Event != state.Event:
		return false, fmt.Sprintf("%s runs %s, and %s was asked about", doc.Color, state.Release, asked.Version)
	case last == nil, last.Deployment != state.Deployment, last.Release != state.Release:
		return false, "there is no verdict about this deployment"
	case advised:
		return true, last.Reason
	case last.Outcome == plumbline.Pass:
		return false, "the last verdict is a pass"
	case last.Outcome != plumbline.Fail || last.Cause != plumbline.CauseChecks:
		return false, "the last verdict isn't about its checks: " + last.Reason
	case last.Attribution == plumbline.AttributedShared:
		return false, "the other color fails as well: " + last.Reason
	}
	return true, last.Reason
}

func flaggerStatus(err error) int {
	if errors.Is(err, ErrUnknown) {
		return http.StatusNotFound
	}
	return http.StatusForbidden // also when cut off: the text of a 503 would be lost
}

// fromFlagger reads who asks what about which release. With an error comes the status to answer with.
func (g *Gate) fromFlagger(w http.ResponseWriter, r *http.Request) (plumbline.Asked, int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			return plumbline.Asked{}, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", large.Limit)
		}
		return plumbline.Asked{}, http.StatusBadRequest, errors.New("the body can't be read")
	}
	pairs, err := metadata(body)
	secret := secretOf(r)
	for _, p := range pairs {
		if p.key == askToken && secret == "" {
			secret = p.value
		}
	}
	if denied := g.allowed(secret, RoleGate); denied != nil {
		return plumbline.Asked{}, authStatus(denied), denied
	}
	switch {
	case err != nil:
		return plumbline.Asked{}, http.StatusBadRequest, err
	case r.URL.RawQuery != "":
		return plumbline.Asked{}, http.StatusBadRequest, fmt.Errorf("%w: the query isn't read here: put parameters into metadata", ErrQuestion)
	}
	asked, err := aboutMetadata(pairs)
	if err != nil {
		return plumbline.Asked{}, http.StatusForbidden, err
	}
	return asked, http.StatusOK, nil
}

var errNoVersion = fmt.Errorf("%w: metadata.version is missing: which release is meant?", ErrQuestion)

// metadata reads that part of Flagger's payload. The rest of it may grow.
func metadata(body []byte) ([]pair, error) {
	var payload map[string]json.RawMessage
	if err := json.Unmarshal(body, &payload); err != nil {
		return nil, fmt.Errorf("%w: the body is no JSON object", ErrQuestion)
	}
	if raw := payload["metadata"]; string(raw) != "null" {
		pairs, err := fromJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("metadata: %w", err)
		}
		return pairs, nil
	}
	return nil, nil
}

// aboutMetadata takes from the metadata, which is free, what is asked; something that nearly is a parameter is refused,
// because a typo would widen the question.
func aboutMetadata(pairs []pair) (plumbline.Asked, error) {
	var ours []pair
	for _, p := range pairs {
		switch {
		case slices.Contains(parameters(), p.key):
			ours = append(ours, p)
		case nearest(p.key, parameters()) != "":
			return plumbline.Asked{}, fmt.Errorf("%w: unknown metadata.%s%s", ErrQuestion, p.key, meant(p.key))
		}
	}
	return question(ours)
}
