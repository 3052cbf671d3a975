package sandbox

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	plumbline "github.com/plumbline-dev/plumbline"
)

// A sapError is an error of OData, in SAP's words (KBA 2524436, 2872019, 2545055, 3728375).
type sapError struct {
	status  int
	name    string
	message string // with %s where it names what was asked for
}

// sapErrors are the errors by the code that their message begins with, or by name where it has none.
var sapErrors = map[string]sapError{
	"LGN0001":              {404, "CATEGORY_DENIED", "[LGN0001]Invalid endpoint"},
	"LGN0002":              {403, "ODATA_ADMIN_PERM_REQUIRED", "[LGN0002]Authentication failed, user doesn't have the OData Admin access permission. Please review granting of permission at the Roles Management menu of %s"},
	"LGN0003":              {403, "CREDENTIALS_MISSING", "[LGN0003]Authentication credentials are require. Please provide a valid user name, password and company id."},
	"LGN0004":              {403, "AUTHENTICATION_DENIED", "[LGN0004]Accessing OData API using Basic authentication or External OAuth on non-API servers is forbidden."},
	"LGN0005":              {403, "OAUTH_TOKEN_FORMAT_INVALID", "[LGN0005]The OAuth authentication token format is wrong."},
	"LGN0006":              {403, "INTERNAL_TOKEN_EXPIRED", "[LGN0006]Token has been expired:%s. Relogin to your application or perform a getToken operation to refresh your access token."},
	"LGN0007":              {403, "TOKEN_INVALID", "[LGN0007]Invalid OAuth token:%s. Please validate the value for your OAuth token."},
	"LGN0008":              {403, "COMPANY_NOT_FOUND", "[LGN0008]Company [%s] not found. Please validate the spelling of your company id, which is case-sensitive."},
	"LGN0009":              {403, "ODATA_API_FEATURE_NOT_ENABLE", "[LGN0009]OData API feature is not enabled for this company. Please contact support to enable ODATA."},
	"LGN0010":              {403, "BASIC_AUTH_OR_IP_DISABLED", "[LGN0010]Basic authentication for ODATA API is disabled for company %s"},
	"LGN0015":              {401, "AUTHENTICATION_FAILED", "[LGN0015]Authentication failed. You have entered an incorrect username or password (status code = 4)."},
	"LGN0022":              {403, "OAUTH_TOKEN_REJECTED", "[LGN0022]The access token is either rejected or expired"},
	"COE0020":              {403, "COE_GENERAL_FORBIDDEN", "[COE0020]You do not have permission for this action: [%s]"},
	"COE0021":              {400, "COE_PROPERTY_NOT_FOUND", "[COE0021]Invalid property names: %s"},
	"COE_ENTITY_NOT_FOUND": {400, "COE_ENTITY_NOT_FOUND", "Invalid entity (or function) name: %s"},
}

// write answers with the error, about what was asked for: as JSON if that was wanted, else as XML.
func (e sapError) write(w http.ResponseWriter, r *http.Request, about string) {
	message := e.message
	if strings.Contains(message, "%s") {
		message = fmt.Sprintf(message, about)
	}
	if wantsJSON(r) || r.Method == http.MethodPost {
		writeJSON(w, e.status, map[string]any{"error": map[string]any{"code": e.name, "message": map[string]string{"lang": "en-US", "value": message}}})
		return
	}
	var text strings.Builder
	_ = xml.EscapeText(&text, []byte(message)) // a Builder takes everything
	say(w, e.status, "application/xml", `<?xml version="1.0" encoding="utf-8"?><error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code>`+
		e.name+`</code><message xml:lang="en-US">`+text.String()+`</message></error>`)
}

func wantsJSON(r *http.Request) bool {
	return r.URL.Query().Get("$format") == "json" || strings.Contains(r.Header.Get("Accept"), "json")
}

// sapEntities are what the company has, each with a few rows.
var sapEntities = map[string][]map[string]any{
	"User": {{"userId": "cgrant", "username": "cgrant", "status": "t"}, {"userId": "103192", "username": "mhoff", "status": "t"},
		{"userId": "plum-blue", "username": "plum.blue", "status": "t"}, {"userId": "plum-green", "username": "plum.green", "status": "t"}},
	"EmpJob":      {{"userId": "cgrant", "seqNumber": "1", "startDate": "/Date(1388534400000)/", "jobTitle": "VP Sales"}, {"userId": "103192", "seqNumber": "1", "startDate": "/Date(1420070400000)/", "jobTitle": "Analyst"}},
	"PerPerson":   {{"personIdExternal": "cgrant"}, {"personIdExternal": "103192"}},
	"PerEmail":    {{"personIdExternal": "cgrant", "emailAddress": "cgrant@acme.example"}},
	"FOCompany":   {{"externalCode": "1710", "name": "ACME"}},
	"EmpPayGroup": {}, // which nobody filled
}

// sapServices are what OData V4 serves.
var sapServices = map[string][]map[string]any{
	"timemanagement/absence/v1/TimeAccounts": {{"id": "6a1f", "userId": "cgrant"}},
}

// odata answers a question for rows.
func (s *successFactorsSim) odata(w http.ResponseWriter, r *http.Request) {
	color, company, refused := s.who(r)
	if s.amiss(w, color) {
		return
	}
	fault := s.broken.of(color)
	wrong, is := sapErrors[fault]
	switch {
	case is && strings.HasPrefix(fault, "LGN"):
		wrong.write(w, r, company)
	case refused != "":
		sapErrors[refused].write(w, r, company)
	case fault == sapMetadata, strings.HasSuffix(r.URL.Path, "/$metadata"):
		say(w, http.StatusInternalServerError, "text/plain", "The request has timed out. OData metadata is being generated for the same instance in another thread. Please try again later")
	case strings.HasPrefix(r.URL.Path, "/odata/v4/"):
		s.v4(w, r, fault)
	default:
		s.v2(w, r, fault)
	}
}

// who is the color that asks, of which company it says it is, and the code of why it isn't let in.
func (s *successFactorsSim) who(r *http.Request) (color plumbline.Color, company, refused string) {
	if user, password, is := r.BasicAuth(); is {
		name, company, _ := strings.Cut(user, "@")
		if company != sapCompany {
			return "", company, "LGN0008"
		}
		color = s.find(func(c *sapClient) bool { return c.account.User == name && same(c.account.Password, password) == 1 })
		if color == "" {
			return "", company, "LGN0015"
		}
		return color, company, ""
	}
	value, is := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !is {
		return "", sapCompany, "LGN0003"
	}
	s.mu.Lock()
	token := s.tokens[value]
	refuse := token == nil || token.revoked || !s.clock().Before(token.ends)
	s.mu.Unlock()
	if token != nil {
		color = token.color
	}
	if refuse {
		refused = "LGN0022"
	}
	return color, sapCompany, refused
}

// v2 answers in the form of OData V2: rows under d.results.
func (s *successFactorsSim) v2(w http.ResponseWriter, r *http.Request, fault string) {
	entity := strings.TrimPrefix(r.URL.Path, "/odata/v2/")
	rows, known := sapEntities[entity]
	unknown := func() []string {
		var names []string
		for _, field := range strings.FieldsFunc(r.URL.Query().Get("$select"), func(c rune) bool { return c == ',' }) {
			if len(rows) > 0 && rows[0][field] == nil {
				names = append(names, entity+"/"+field)
			}
		}
		return names
	}()
	wrong, is := sapErrors[fault]
	switch {
	case is:
		wrong.write(w, r, entity)
	case !known:
		sapErrors["COE_ENTITY_NOT_FOUND"].write(w, r, entity)
	case len(unknown) > 0:
		sapErrors["COE0021"].write(w, r, strings.Join(unknown, ","))
	case !wantsJSON(r):
		say(w, http.StatusOK, "application/atom+xml", `<?xml version="1.0" encoding="utf-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title type="text">`+entity+`</title></feed>`)
	default:
		results, d := []map[string]any{}, map[string]any{}
		for _, row := range page(r, rows, fault) {
			row["__metadata"] = map[string]string{"uri": "https://" + r.Host + "/odata/v2/" + entity, "type": "SFOData." + entity}
			results = append(results, row)
		}
		if d["results"] = results; r.URL.Query().Get("$inlinecount") == "allpages" && fault != sapNoRows {
			d["__count"] = strconv.Itoa(len(rows))
		}
		writeJSON(w, http.StatusOK, map[string]any{"d": d})
	}
}

// v4 answers in the form of OData V4: rows under value.
func (s *successFactorsSim) v4(w http.ResponseWriter, r *http.Request, fault string) {
	name := strings.TrimPrefix(r.URL.Path, "/odata/v4/")
	rows, known := sapServices[name]
	wrong, is := sapErrors[fault]
	switch {
	case is:
		wrong.write(w, r, name)
	case !known:
		writeJSON(w, http.StatusNotFound, map[string]any{"error": map[string]string{"code": "404", "message": "Not Found"}})
	default:
		writeJSON(w, http.StatusOK, map[string]any{"@odata.context": "$metadata#" + name[strings.LastIndex(name, "/")+1:], "value": page(r, rows, fault)})
	}
}

var odataTop = regexp.MustCompile(`^[0-9]{1,4}$`)

// page is as many rows as $top wants, with the fields that $select wants.
func page(r *http.Request, rows []map[string]any, fault string) []map[string]any {
	query, picked := r.URL.Query(), []map[string]any{}
	if fault == sapNoRows {
		return picked
	}
	if top := query.Get("$top"); odataTop.MatchString(top) {
		n, _ := strconv.Atoi(top) // which the pattern let through
		rows = rows[:min(n, len(rows))]
	}
	fields := strings.Split(query.Get("$select"), ",")
	for _, row := range rows {
		kept := map[string]any{}
		for name, value := range row {
			if fields[0] == "" || slices.Contains(fields, name) {
				kept[name] = value
			}
		}
		picked = append(picked, kept)
	}
	return picked
}
