package daemon_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
)

// workdayCanaries are the secrets of Workday's connections, but for the key.
func workdayCanaries() map[string]string {
	return map[string]string{
		"CANARY_WD_CLIENT":   "wd-client-canary-1=/&+0",
		"CANARY_WD_REFRESH":  "wd-refresh-canary-9%2f\"",
		"CANARY_WD_PASSWORD": "wd-password-p&ss<canary>'\"-77",
	}
}

// workdayConnections have each of them, and a key, at the environment.
const workdayConnections = `
  wd-client: {kind: workday, url: %[1]q, tenant: acme, client_id: me, client_secret: {env: CANARY_WD_CLIENT}, refresh_token: {env: CANARY_WD_REFRESH}}
  wd-header: {kind: workday, url: %[1]q, tenant: refused, client_id: me, client_secret: {env: CANARY_WD_CLIENT}, client_auth: header, refresh_token: {env: CANARY_WD_REFRESH}}
  wd-lost: {kind: workday, url: %[1]q, tenant: rotating, client_id: me, client_secret: {env: CANARY_WD_CLIENT}, refresh_token: {env: CANARY_WD_REFRESH}}
  wd-signed: {kind: workday, url: %[1]q, tenant: refused, client_id: me, key: {env: CANARY_SAP_KEY}, user: ISU@refused}
  wd-user: {kind: workday, url: %[1]q, tenant: acme, user: ISU@acme, password: {env: CANARY_WD_PASSWORD}}
`

// workdayChecks ask in every way.
const workdayChecks = `  - workday: wd-client
  - name: client's report
    workday: {connection: wd-client, report: {owner: me, name: Echo, prompts: {key: $(secrets.named)}}}
  - workday: wd-header
  - workday: wd-lost
  - workday: wd-signed
  - workday: wd-user
  - name: user's report
    workday: {connection: wd-user, report: {owner: me, name: Echo}}
`

const workdayChecksCount = 7

// workdayEchoing repeats what Workday was sent where Workday says what is wrong, some of it so that what is shown ends
// within a secret.
func workdayEchoing(w http.ResponseWriter, r *http.Request, heard, body string) {
	w.Header().Set("Content-Type", "application/json")
	switch path := r.URL.Path; {
	case path == "/ccx/oauth2/acme/token":
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","expires_in":3600}`, issued)
	case path == "/ccx/oauth2/rotating/token":
		fmt.Fprintf(w, `{"access_token":%q,"token_type":"Bearer","refresh_token":%q}`, issued, issued+"-next")
	case strings.HasPrefix(path, "/ccx/oauth2/"):
		form, _ := url.ParseQuery(body)
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": strings.Repeat("x", 80) + form.Get("refresh_token"), "error_description": heard})
	case strings.HasSuffix(path, "/v44.2"):
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprintf(w, `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault><faultcode>e:%s</faultcode><faultstring>%s</faultstring></e:Fault></e:Body></e:Envelope>`,
			html.EscapeString(heard), strings.Repeat("x", 282)+html.EscapeString(workdayCanaries()["CANARY_WD_PASSWORD"]))
	default:
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(map[string]any{"error": strings.Repeat("x", 170) + r.Header.Get("Authorization"), "errors": []any{map[string]string{"error": heard}}})
	}
}
