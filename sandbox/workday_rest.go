package sandbox

import (
	"fmt"
	"net/http"
	"strconv"
)

// workdayWorkers is how many workers the tenant has, workdayJobs how many jobs.
const (
	workdayWorkers = 1842
	workdayJobs    = 37
)

// workdayID is the id of the nth instance of something.
func workdayID(n int) string { return fmt.Sprintf("%032x", 0x5eed00000000+n) }

// collection answers a page of workers or jobs.
func (s *workdaySim) collection(w http.ResponseWriter, r *http.Request) {
	color := s.byToken(r)
	if s.amiss(w, r, color) {
		return
	}
	name := r.PathValue("service") + "/" + r.PathValue("collection")
	total, known := map[string]int{"/workers": workdayWorkers, "staffing/jobs": workdayJobs}[name]
	switch fault := s.broken.of(color); {
	case color == "":
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
	case fault == workdayNotAllowed:
		writeJSON(w, http.StatusForbidden, map[string]any{"error": "permission denied", "errors": []any{}})
	case fault == workdayBroken:
		writeJSON(w, http.StatusInternalServerError, map[string]any{"error": "internal error", "errors": []any{}})
	case fault == workdayHalf:
		say(w, http.StatusOK, "application/json", `{"total":1842,"data":[{"id":"`)
	case !known:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": "not found"})
	default:
		if fault == workdayNoRows {
			total = 0
		}
		instances(w, r, total)
	}
}

// instances answers as many instances as are asked for, 20 unless that is said, at most 100.
func instances(w http.ResponseWriter, r *http.Request, total int) {
	limit, offset := 20, 0
	for name, into := range map[string]*int{"limit": &limit, "offset": &offset} {
		if written := r.URL.Query().Get(name); written != "" {
			n, err := strconv.Atoi(written)
			if err != nil || n < 0 || name == "limit" && (n < 1 || n > 100) {
				writeJSON(w, http.StatusBadRequest, map[string]any{"error": "invalid request",
					"errors": []any{map[string]string{"error": "invalid value", "field": name, "location": "query"}}})
				return
			}
			*into = n
		}
	}
	data := []any{}
	for n := offset; n < total && len(data) < limit; n++ {
		data = append(data, map[string]string{"id": workdayID(n), "descriptor": fmt.Sprintf("Instance %d", n+1),
			"href": "https://" + r.Host + r.URL.Path + "/" + workdayID(n)})
	}
	writeJSON(w, http.StatusOK, map[string]any{"total": total, "data": data})
}

// report answers the one report there is, to the client or the user of its color.
func (s *workdaySim) report(w http.ResponseWriter, r *http.Request) {
	color := s.byToken(r)
	if user, password, is := r.BasicAuth(); is {
		color = s.byPassword(user, password)
	}
	if s.amiss(w, r, color) {
		return
	}
	account := s.account(color)
	switch fault := s.broken.of(color); {
	case color == "":
		w.Header().Set("WWW-Authenticate", `Basic realm="Workday"`)
		say(w, http.StatusUnauthorized, "text/plain", "")
	case fault == workdayNotAllowed:
		wsFault(w, "Server.processingError", "Processing error occurred. The task submitted is not authorized.", "")
	case fault == workdayBroken:
		wsFault(w, "Server.processingError", "Processing error occurred.", "")
	case fault == workdayHalf:
		say(w, http.StatusOK, "application/json", `{"Report_Entry":[{"Employee_ID":"`)
	case r.PathValue("owner") != account.Owner || r.PathValue("report") != account.Report:
		say(w, http.StatusNotFound, "text/plain", "")
	case r.URL.Query().Get("format") != "json":
		say(w, http.StatusBadRequest, "text/plain", "this format isn't simulated: want format=json")
	default:
		writeJSON(w, http.StatusOK, map[string]any{"Report_Entry": entries(r.URL.Query().Get("Employee_ID"), fault)})
	}
}

// entries are the rows of the report, or the one that its prompt names.
func entries(prompt, fault string) []any {
	rows := []any{}
	for n := 0; n < workdayWorkers && fault != workdayNoRows; n++ {
		if id := strconv.Itoa(21001 + n); prompt == "" || prompt == id {
			rows = append(rows, map[string]string{"Employee_ID": id, "Worker": workdayID(n)})
		}
	}
	return rows
}
