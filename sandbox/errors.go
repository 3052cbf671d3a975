package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// A refusal is an error in the shape that the API documents.
type refusal struct {
	status int
	code   string // error: a word for programs
	number int
	text   string // error_description: a sentence for people
}

func (r *refusal) Error() string { return r.text }

func badInput(format string, args ...any) *refusal {
	return &refusal{http.StatusBadRequest, "invalid_request", 1400, fmt.Sprintf(format, args...)}
}

func unknown(format string, args ...any) *refusal {
	return &refusal{http.StatusNotFound, "not_found", 1404, fmt.Sprintf(format, args...)}
}

func conflict(code, format string, args ...any) *refusal {
	return &refusal{http.StatusUnprocessableEntity, code, 1422, fmt.Sprintf(format, args...)}
}

var (
	errNoToken  = &refusal{http.StatusUnauthorized, "unauthorized", 1401, "the access token is missing, unknown or expired"}
	errInternal = &refusal{http.StatusInternalServerError, "internal_error", 1500, "something broke inside"}
	errBusy     = &refusal{http.StatusTooManyRequests, "too_many_requests", 1429, "too many wait already: ask again later"}
	errUpstream = &refusal{http.StatusBadGateway, "bad_gateway", 1502, "the environment behind the switch did not answer"}
)

// write sends the refusal with an id that support could look up.
func (r *refusal) write(w http.ResponseWriter, id string) {
	writeJSON(w, r.status, map[string]any{"error": r.code, "error_description": r.text, "code": r.number,
		"errorId": id, "errorInfo": http.StatusText(r.status)})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "the answer can't be encoded", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // #nosec G705 -- JSON, sent as such; the caller left: nobody to tell
}
