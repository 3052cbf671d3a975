package checks

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
	"go.yaml.in/yaml/v4"
)

type successFactorsParameters struct {
	Connection *yaml.Node `yaml:"connection"`
	Entities   *yaml.Node `yaml:"entities"`
	Data       *yaml.Node `yaml:"data"`
	OData      *yaml.Node `yaml:"odata"`
}

// An odataVersion is how one version of OData is asked.
type odataVersion struct {
	base     string
	format   string // $format; "" asks for none
	entity   *regexp.Regexp
	example  string
	fallback []string // what is asked where the check names no entity
}

var odataVersions = map[string]odataVersion{
	"v2": {base: "/odata/v2/", format: "json", entity: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`), example: "EmpJob", fallback: []string{"User"}},
	"v4": {base: "/odata/v4/", entity: regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*(/[A-Za-z_][A-Za-z0-9_.-]*)+$`), example: "timemanagement/absence/v1/TimeAccounts"},
}

// successFactorsFields are of each entity what is asked for, so that nothing comes that is none of our business. Other
// entities answer with all they have.
var successFactorsFields = map[string]string{"User": "userId", "EmpJob": "userId", "EmpEmployment": "userId", "EmpCompensation": "userId",
	"PerPerson": "personIdExternal", "PerPersonal": "personIdExternal", "PerEmail": "personIdExternal", "PerPhone": "personIdExternal",
	"FOCompany": "externalCode", "FODepartment": "externalCode", "FOLocation": "externalCode", "FOJobCode": "externalCode",
	"FOCostCenter": "externalCode", "Position": "code"}

// A successFactorsQuestion is what a check wants to know.
type successFactorsQuestion struct {
	version  odataVersion
	entities []string // that must be readable
	data     []string // of them, those that must have a row
}

// successFactors is the kind of a company: {successfactors: acme-sf}, or {successfactors: {connection: acme-sf, entities: [User, EmpJob]}}.
func (e *engine) successFactors() Kind {
	return Kind{Compile: func(d Definition) (Compiled, strictyaml.Problems) {
		r := d.reader(providerPlaces...)
		var p successFactorsParameters
		r.main(d.Value, &p, &p.Connection)
		named := "v2"
		if p.OData != nil {
			named = r.oneOf(p.OData, "version of OData", sortedKeys(odataVersions))
		}
		version := odataVersions[named]
		q := &successFactorsQuestion{version: version, entities: r.wordList(p.Entities, "entities")}
		if p.Entities == nil {
			if q.entities = version.fallback; named == "v4" {
				r.wrongHint(p.OData, "add entities: ["+version.example+"]", "v4 has no entity that every company has")
			}
		} else {
			r.entities(p.Entities, version)
		}
		q.data = q.entities
		if p.Data != nil {
			q.data = r.wordList(p.Data, "data")
			for i, entity := range q.data {
				if !slices.Contains(q.entities, entity) {
					r.wrongHint(p.Data.Content[i], strictyaml.DidYouMean(entity, q.entities), "data of %q, which is not among entities", entity)
				}
			}
		}
		return e.provider(r, d, p.Connection, plumbline.EffectNone, q.inquire)
	}}
}

// entities refuses what is no entity of the version.
func (r *reader) entities(list *yaml.Node, version odataVersion) {
	for _, n := range list.Content {
		switch {
		case n.Kind != yaml.ScalarNode || n.Value == "" || version.entity == nil:
		case n.Value == "$metadata" || n.Value == "%24metadata":
			r.wrongHint(n, "name an entity, such as "+version.example, "$metadata is never asked: it can take minutes, and answers 500 while it is generated")
		case !version.entity.MatchString(n.Value):
			r.wrongHint(n, "write "+version.example, "%q is no entity of this version of OData", n.Value)
		}
	}
}

func (w *successFactorsQuestion) inquire(ctx context.Context, q *inquiry) error {
	s := q.account.Provider.(*SuccessFactors)
	q.proof["company"] = s.Company
	if s.Basic {
		q.warn("the connection logs in by Basic, which SAP scheduled for deletion on 20 November 2026: register an OAuth2 client application, and give the connection its client_id and key")
	}
	rows, total := map[string]any{}, 0
	for _, entity := range w.entities {
		n, err := w.ask(ctx, q, entity)
		if err != nil {
			return err
		}
		q.reached(plumbline.TierCredential)
		rows[entity] = n
		total += n
	}
	q.reached(plumbline.TierPermission)
	q.proof["entities"], q.proof["rows"] = rows, total
	successFactorsEnds(q, s)
	for _, entity := range w.data {
		if rows[entity] == 0 {
			return troublef(plumbline.ClassEmptyData, "%s answered without a row: the user may ask, and its roles reach nobody; look at the target population in Manage Permission Roles", entity)
		}
	}
	if len(w.data) > 0 {
		q.reached(plumbline.TierData)
	}
	return nil
}

// ask asks an entity for one row, and returns how many came.
func (w *successFactorsQuestion) ask(ctx context.Context, q *inquiry, entity string) (int, error) {
	query := url.Values{"$top": {"1"}}
	if w.version.format != "" {
		query.Set("$format", w.version.format)
		if field := successFactorsFields[entity]; field != "" {
			query.Set("$select", field)
		}
	}
	x, err := q.ask(ctx, demand{method: http.MethodGet, path: w.version.base + entity, query: query, header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return 0, err
	}
	if x.status != http.StatusOK || isPage(x) {
		return 0, successFactorsWrong(q, x, entity, successFactorsPlain)
	}
	n, is := odataRows(x.body)
	if !is {
		if code, name := successFactorsCodes(x); code+name != "" {
			return 0, successFactorsWrong(q, x, entity, successFactorsPlain)
		}
		return 0, troublef(plumbline.ClassProtocol, "%s answered something that is no OData", entity)
	}
	q.said = nil // a row is of a person
	return n, nil
}

// odataRows counts the rows of an answer: of v2 under d.results or d, of v4 under value.
func odataRows(body []byte) (int, bool) {
	var answer struct {
		D     json.RawMessage   `json:"d"`
		Value []json.RawMessage `json:"value"`
	}
	if json.Unmarshal(body, &answer) != nil {
		return 0, false
	}
	if answer.Value != nil {
		return len(answer.Value), true
	}
	var results struct {
		Results []json.RawMessage `json:"results"`
	}
	if json.Unmarshal(answer.D, &results) == nil && results.Results != nil {
		return len(results.Results), true
	}
	var list []json.RawMessage
	if json.Unmarshal(answer.D, &list) == nil && list != nil {
		return len(list), true
	}
	return 0, false
}

var (
	sapCode = regexp.MustCompile(`\[([A-Z]{3}[0-9]{4,5})\]`)
	sapName = regexp.MustCompile(`"code"\s*:\s*"([A-Za-z0-9_./]{1,80})"|<code>\s*([A-Za-z0-9_./]{1,80})\s*</code>`)
)

// successFactorsCodes are the code that a message begins with, and the name of the error, be it in JSON or in XML.
func successFactorsCodes(x *exchange) (code, name string) {
	if found := sapCode.FindSubmatch(x.body); found != nil {
		code = string(found[1])
	}
	if found := sapName.FindSubmatch(x.body); found != nil {
		name = string(found[1]) + string(found[2])
	}
	return code, name
}

// successFactorsWrong says what an answer means that isn't the one that was asked for: by its code, and without one, by
// the rulings at hand.
func successFactorsWrong(q *inquiry, x *exchange, who string, plain []ruling) error {
	code, name := successFactorsCodes(x)
	for _, each := range []string{code, name} {
		if r, known := rule(successFactorsCatalogue, x.status, each, string(x.body)); known && each != "" {
			return q.troubled(r, x, "%s answered %d %s", who, x.status, each)
		}
	}
	if x.status < 500 && x.status != http.StatusTooManyRequests { // where pages come from proxies, and redirects lead to logins
		if err := q.machine(x, who); err != nil {
			return err
		}
	}
	text, said := string(x.body), ""
	if message := successFactorsMessage(x.body); message != "" {
		text, said = message, " "+q.quote(message, 200)
	}
	if r, known := rule(plain, x.status, "", text); known {
		return q.troubled(r, x, "%s answered %d%s", who, x.status, said)
	}
	if code+name != "" {
		return &trouble{class: classOfStatus(x.status), reason: fmt.Sprintf("%s answered %d %s, which plumbline has no ruling for", who, x.status, cmp.Or(code, name))}
	}
	return q.amiss(x, who)
}

// successFactorsMessage is what the token endpoint says, "" of any other answer.
func successFactorsMessage(body []byte) string {
	var said struct {
		Message string `json:"errorMessage"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	return said.Message
}

// soon is how long before its end a certificate is worth a word.
const soon = 30 * 24 * time.Hour

// successFactorsEnds warns of what ends while it is relied on.
func successFactorsEnds(q *inquiry, s *SuccessFactors) {
	now, ask := q.scene.clients.Now(), q.scene.ask
	if c := s.Certificate; c != nil && c.NotAfter.Before(now.Add(soon)) {
		q.warn("the certificate of the key ends at %s: register the next one with SAP before", c.NotAfter.UTC().Format(time.RFC3339))
	}
	if s.Basic {
		return
	}
	ends := q.engine.clients.Connections.tokenEnds(q.account, ask.Site)
	if ends.IsZero() {
		return
	}
	q.proof["expires_in"] = int64(ends.Sub(now) / time.Second)
	at := ends.UTC().Format(time.RFC3339)
	switch {
	case !ask.Ends.IsZero() && ends.Before(ask.Ends):
		q.warn("the access token ends at %s, maybe within this run: what is asked later needs a new one", at)
	case !ask.Site.Until.IsZero() && ends.Before(ask.Site.Until):
		q.warn("the access token ends at %s, within the standby window, which ends at %s: from then on the standby lives on a new login", at, ask.Site.Until.UTC().Format(time.RFC3339))
	}
}
