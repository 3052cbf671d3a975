package checks

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/plumbline-dev/plumbline"
	"go.yaml.in/yaml/v4"
)

// collections asks for one row of each.
func (w *workdayQuestion) collections(ctx context.Context, q *inquiry) error {
	totals := map[string]any{}
	fewest, empty := -1, ""
	for _, name := range w.resources {
		total, err := workdayCollection(ctx, q, name)
		if err != nil {
			return err
		}
		if totals[name] = total; fewest < 0 || total < fewest {
			fewest, empty = total, name
		}
	}
	q.reached(plumbline.TierPermission)
	q.proof["use"], q.proof["resources"], q.proof["rows"] = useREST, totals, fewest
	if fewest < 1 {
		return troublef(plumbline.ClassEmptyData, "GET %s answered 200 without a row: %s", empty, workdayHidden)
	}
	q.reached(plumbline.TierData)
	return nil
}

// workdayCollection is how many rows a collection has, none if not even one comes.
func workdayCollection(ctx context.Context, q *inquiry, name string) (total int, err error) {
	tenant := q.account.Provider.(*Workday).Tenant
	path := segments("ccx", "api", "v1", tenant, name)
	if service, collection, named := cutLast(name, "/"); named {
		service, version, _ := strings.Cut(service, "/")
		path = segments("ccx", "api", service, version, tenant, collection)
	}
	x, err := q.ask(ctx, demand{method: http.MethodGet, path: path, query: url.Values{"limit": {"1"}}, header: http.Header{"Accept": {"application/json"}}})
	if err != nil {
		return 0, err
	}
	var page struct {
		Total *int              `json:"total"`
		Data  []json.RawMessage `json:"data"`
	}
	if err := workdayJSON(q, x, "GET "+name, &page); err != nil {
		return 0, err
	}
	q.reached(plumbline.TierCredential)
	if page.Total == nil {
		return 0, troublef(plumbline.ClassProtocol, "GET %s answered without a total", name)
	}
	if len(page.Data) == 0 {
		return 0, nil
	}
	return max(*page.Total, len(page.Data)), nil
}

func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return "", s, false
}

// workdayJSON takes an answer that is JSON and says that all is well.
func workdayJSON(q *inquiry, x *exchange, who string, into any) error {
	if err := workdayPage(q, x, who); err != nil {
		return err
	}
	if x.status != http.StatusOK {
		return workdayRefusal(q, x, who)
	}
	q.said = nil // a row is of a person
	if json.Unmarshal(x.body, into) != nil {
		return troublef(plumbline.ClassProtocol, "%s answered something that is not the JSON that was agreed on", who)
	}
	return nil
}

// workdayRefusal says what an answer of REST or of a report means that isn't 200. A report may answer with a fault of
// SOAP.
func workdayRefusal(q *inquiry, x *exchange, who string) error {
	if fault := faultIn(x.body); fault != nil {
		return fault.trouble(q, x, who)
	}
	var said struct {
		Error  string `json:"error"`
		Errors []struct {
			Error string `json:"error"`
		} `json:"errors"`
	}
	_ = json.Unmarshal(x.body, &said) // it needn't say anything
	text := said.Error
	for _, more := range said.Errors {
		if more.Error != "" && more.Error != said.Error {
			text = strings.TrimPrefix(text+": "+more.Error, ": ")
		}
	}
	shown := ""
	if text != "" {
		shown = " " + q.quote(text, 200)
	}
	if r, known := rule(workdayCatalogue, x.status, "", text); known {
		return workdayTrouble(q, r, x, "%s answered %d%s", who, x.status, shown)
	}
	if x.status >= 500 || shown == "" {
		return q.amiss(x, who)
	}
	return troublef(classOfStatus(x.status), "%s answered %d%s", who, x.status, shown)
}

// A workdayReport is a custom report that is enabled as a web service.
type workdayReport struct {
	owner, name template
	prompts     []pair
}

func (r *reader) workdayReport(n *yaml.Node) *workdayReport {
	report := &workdayReport{}
	if n.Kind != yaml.MappingNode {
		r.wrongHint(n, "write report: {owner: ISU_PLUM, name: Plum_Employees}", "report takes a map")
		return report
	}
	var p workdayReportParameters
	r.decode(n, &p)
	if p.Owner == nil || p.Name == nil {
		r.wrongHint(n, "write report: {owner: ISU_PLUM, name: Plum_Employees}", "a report has an owner and a name")
		return report
	}
	report.owner, report.name, report.prompts = r.words(p.Owner), r.words(p.Name), r.pairs("prompts", p.Prompts)
	for _, prompt := range report.prompts {
		if strings.EqualFold(prompt.name, "format") {
			r.wrong(p.Prompts, "format is json, and no prompt")
		}
	}
	return report
}

// inquire asks for the report, as the API client if there is one.
func (w *workdayReport) inquire(ctx context.Context, q *inquiry, client bool) error {
	account := q.account.Provider.(*Workday)
	owner, err := w.owner.text(q.scene)
	if err != nil {
		return err
	}
	name, err := w.name.text(q.scene)
	if err != nil {
		return err
	}
	if strings.Trim(owner, ".") == "" || strings.Trim(name, ".") == "" {
		return troublef(plumbline.ClassMisconfig, "%s of %s is no report: name its owner and it as the URL of its web service does", show(name), show(owner))
	}
	query, err := values(w.prompts, q.scene)
	if err != nil {
		return err
	}
	query.Set("format", "json")
	d := demand{method: http.MethodGet, query: query, header: http.Header{"Accept": {"application/json"}},
		path: segments("ccx", "service", "customreport2", account.Tenant, owner, name)}
	if !client {
		if _, _, err := account.user(q.account.Name); err != nil {
			return err // before anybody is asked
		}
	}
	x, err := q.ask(ctx, d)
	if err != nil {
		return tooLarge(err)
	}
	return workdayEntries(q, x, name)
}

func workdayEntries(q *inquiry, x *exchange, name string) error {
	who := "the report " + name
	var report struct {
		Entries *[]json.RawMessage `json:"Report_Entry"`
	}
	if err := workdayJSON(q, x, who, &report); err != nil {
		return err
	}
	q.reached(plumbline.TierCredential)
	if report.Entries == nil {
		return troublef(plumbline.ClassProtocol, "%s answered without Report_Entry: it isn't enabled as a web service, or its format is another one", who)
	}
	q.reached(plumbline.TierPermission)
	q.proof["use"], q.proof["report"], q.proof["rows"] = "report", name, len(*report.Entries)
	if len(*report.Entries) == 0 {
		return troublef(plumbline.ClassEmptyData, "%s answered 200 without a row: %s; or its filters and prompts leave nothing", who, workdayHidden)
	}
	q.reached(plumbline.TierData)
	return nil
}
