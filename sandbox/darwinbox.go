package sandbox

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A DarwinboxAccount is the API user of a color.
type DarwinboxAccount struct {
	Username, Password string
	APIKey, DatasetKey string
	Code, ClientSecret string // of the OAuth variant, whose client id is the username
	Employee           string // whom the dataset always has
}

// darwinboxSim is a company with an API user for each color.
type darwinboxSim struct {
	clock  func() time.Time
	random io.Reader
	broken faulty
	limit  bucket

	mu       sync.Mutex
	accounts map[plumbline.Color]DarwinboxAccount
	tokens   map[string]darwinboxToken
	harmed   int // how often it was asked to do more than read
}

// A darwinboxToken is whose a token is, and until when it is good.
type darwinboxToken struct {
	color plumbline.Color
	until time.Time
}

// Failures of Darwinbox. Those that aren't a status of HTTP come with 200.
const (
	darwinboxRejected  = "rejected"
	darwinboxPassword  = "wrong_password"
	darwinboxForbidden = "forbidden"
	darwinboxNoRows    = "no_rows"
	darwinboxOthers    = "another_employee"
	darwinboxThrottled = "throttled"
	darwinboxPage      = "maintenance"
	darwinboxEmployee  = "E042"

	darwinboxTokenTTL = time.Hour
)

// darwinboxDataset is who else is in the dataset.
var darwinboxDataset = []string{"E007", "E019", "E101"}

func newDarwinbox(clock func() time.Time, random io.Reader) *darwinboxSim {
	d := &darwinboxSim{clock: clock, random: random, limit: bucket{most: 50, per: time.Second}, accounts: map[plumbline.Color]DarwinboxAccount{}, tokens: map[string]darwinboxToken{}}
	for _, color := range plumbline.Colors() {
		d.accounts[color] = DarwinboxAccount{Username: "plum-" + string(color), Password: secretOf(random), APIKey: secretOf(random), DatasetKey: secretOf(random),
			Code: secretOf(random), ClientSecret: secretOf(random), Employee: darwinboxEmployee}
	}
	return d
}

func (d *darwinboxSim) account(color plumbline.Color) DarwinboxAccount { return d.accounts[color] }

func (d *darwinboxSim) patterns() []string {
	return append([]string{"POST /masterapi/employee", "POST /oauth/v1token"}, darwinboxOrders...)
}

// darwinboxOrders are endpoints that do more than read, and must never be asked to find out whether all is well.
var darwinboxOrders = []string{"POST /importapi/", "POST /leavesactionapi/leaveaction", "POST /leavesactionapi/importleave", "POST /AttendancePunchesApi",
	"POST /attendanceDataApi/backdatedattendance", "POST /hrfileApi/"}

func (d *darwinboxSim) faults() []string {
	return []string{darwinboxRejected, darwinboxPassword, darwinboxForbidden, darwinboxNoRows, darwinboxOthers, darwinboxThrottled, darwinboxPage, providerOutage}
}

func (d *darwinboxSim) set(color plumbline.Color, fault string) error {
	d.broken.set(color, fault)
	return nil
}

func (d *darwinboxSim) fault(color plumbline.Color) string { return d.broken.of(color) }

func (d *darwinboxSim) settings(color plumbline.Color) map[string]string {
	a := d.account(color)
	return map[string]string{"username": a.Username, "employee": a.Employee}
}

func (d *darwinboxSim) secrets(color plumbline.Color) map[string]string {
	a := d.account(color)
	return map[string]string{"password": a.Password, "api_key": a.APIKey, "dataset_key": a.DatasetKey}
}

// ServeHTTP answers as Darwinbox does: what is wrong with a question comes with status 200.
func (d *darwinboxSim) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/oauth/v1token" {
		d.token(w, r)
		return
	}
	color := d.who(r)
	switch fault := d.broken.of(color); {
	case fault == providerOutage:
		http.Error(w, "Service Unavailable", http.StatusServiceUnavailable)
	case fault == darwinboxPage:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>We are under maintenance, please come back later</body></html>")
	case fault == darwinboxThrottled, !d.limit.take(d.clock()):
		w.Header().Set("Retry-After", "1")
		http.Error(w, "Too Many Requests", http.StatusTooManyRequests)
	case color == "", fault == darwinboxPassword:
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	case fault == darwinboxForbidden:
		http.Error(w, "Forbidden", http.StatusForbidden)
	case r.URL.Path != "/masterapi/employee":
		d.mu.Lock()
		d.harmed++
		d.mu.Unlock()
		writeJSON(w, http.StatusOK, map[string]any{"status": 1, "message": "Successfully updated"})
	default:
		d.employees(w, r, color, fault)
	}
}

// who is the color whose API user asks, by password or by token.
func (d *darwinboxSim) who(r *http.Request) plumbline.Color {
	d.mu.Lock()
	defer d.mu.Unlock()
	if token := r.Header.Get("TOKEN"); token != "" {
		if is := d.tokens[token]; d.clock().Before(is.until) {
			return is.color
		}
		return ""
	}
	user, password, _ := r.BasicAuth()
	for _, color := range slices.Sorted(maps.Keys(d.accounts)) {
		if a := d.accounts[color]; same(user, a.Username)&same(password, a.Password) == 1 && password != "" {
			return color
		}
	}
	return ""
}

func (d *darwinboxSim) employees(w http.ResponseWriter, r *http.Request, color plumbline.Color, fault string) {
	var asked struct {
		APIKey     string   `json:"api_key"`
		DatasetKey string   `json:"datasetKey"`
		Employees  []string `json:"employee_ids"`
	}
	account := d.account(color)
	err := json.NewDecoder(r.Body).Decode(&asked)
	rows := []map[string]string{}
	for _, id := range append(slices.Clone(darwinboxDataset), account.Employee) {
		wanted := len(asked.Employees) == 0 || slices.Contains(asked.Employees, id) // without a filter, everybody
		if fault == darwinboxOthers {
			wanted = id != account.Employee
		}
		if wanted && fault != darwinboxNoRows {
			rows = append(rows, map[string]string{"employee_id": id, "first_name": "Canary"})
		}
	}
	switch {
	case err != nil:
		writeJSON(w, http.StatusOK, map[string]any{"status": 0, "message": "Invalid JSON"})
	case fault == darwinboxRejected, same(asked.APIKey, account.APIKey) != 1, same(asked.DatasetKey, account.DatasetKey) != 1:
		writeJSON(w, http.StatusOK, map[string]any{"status": 0, "message": "Invalid key"})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"status": 1, "message": "Successfully loaded all employees data", "employee_data": rows})
	}
}

// token exchanges a code, any number of times, for a token that is a bare string.
func (d *darwinboxSim) token(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
		GrantType    string `json:"grant_type"`
		Code         string `json:"code"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil || asked.GrantType != "authorization_code" {
		writeJSON(w, http.StatusOK, map[string]any{"status": 0, "message": "Invalid request"})
		return
	}
	for _, color := range plumbline.Colors() {
		a := d.account(color)
		if a.Code != "" && same(asked.ClientID, a.Username)&same(asked.ClientSecret, a.ClientSecret)&same(asked.Code, a.Code) == 1 && d.broken.of(color) != darwinboxPassword {
			token := secretOf(d.random)
			d.mu.Lock()
			if len(d.tokens) > maxTokens {
				clear(d.tokens)
			}
			d.tokens[token] = darwinboxToken{color, d.clock().Add(darwinboxTokenTTL)}
			d.mu.Unlock()
			_, _ = io.WriteString(w, token)
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"status": 0, "message": "Invalid client or code"})
}
