package checks

import (
	"context"
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"github.com/plumbline-dev/plumbline"
)

// The namespaces of a request, and the kind of password.
const (
	soapNamespace    = "http://schemas.xmlsoap.org/soap/envelope/"
	workdayNamespace = "urn:com.workday/bsvc"
	wsseNamespace    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	passwordText     = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText" // #nosec G101 -- a name of WS-Security, no credential
)

// A soapRequest is an envelope with who asks and what. The order of fields is the schema's, which Workday insists on.
type soapRequest struct {
	XMLName  xml.Name `xml:"soapenv:Envelope"`
	SOAP     string   `xml:"xmlns:soapenv,attr"`
	Workday  string   `xml:"xmlns:bsvc,attr"`
	Security security `xml:"soapenv:Header>wsse:Security"`
	Body     soapBody `xml:"soapenv:Body"`
}

type security struct {
	MustUnderstand int           `xml:"soapenv:mustUnderstand,attr"`
	WSSE           string        `xml:"xmlns:wsse,attr"`
	User           usernameToken `xml:"wsse:UsernameToken"`
}

type usernameToken struct {
	Username string        `xml:"wsse:Username"`
	Password typedPassword `xml:"wsse:Password"`
}

type typedPassword struct {
	Type string `xml:"Type,attr"`
	Text string `xml:",chardata"`
}

// A soapBody has one of its fields.
type soapBody struct {
	Timestamp *timestampGet `xml:"bsvc:Server_Timestamp_Get"`
	Workers   *workersGet   `xml:"bsvc:Get_Workers_Request"`
}

type timestampGet struct {
	Version string `xml:"bsvc:version,attr"`
}

type workersGet struct {
	Version   string `xml:"bsvc:version,attr"`
	Page      int    `xml:"bsvc:Response_Filter>bsvc:Page"`
	Count     int    `xml:"bsvc:Response_Filter>bsvc:Count"`
	Reference bool   `xml:"bsvc:Response_Group>bsvc:Include_Reference"`
}

// A soapAnswer is what an envelope that came back has of interest.
type soapAnswer struct {
	XMLName xml.Name     `xml:"http://schemas.xmlsoap.org/soap/envelope/ Envelope"`
	Fault   *soapFault   `xml:"Body>Fault"`
	Time    *string      `xml:"Body>Server_Timestamp>Server_Timestamp_Data"`
	Workers *workersList `xml:"Body>Get_Workers_Response"`
}

type workersList struct {
	Total *int       `xml:"Response_Results>Total_Results"`
	Rows  []struct{} `xml:"Response_Data>Worker"`
}

// workdaySOAP asks for the time, which proves who asks and has nobody's data in it, and then for one worker.
func workdaySOAP(ctx context.Context, q *inquiry) error {
	version := q.account.Provider.(*Workday).Version
	const asksTime, asksWorkers = "Server_Timestamp_Get", "Get_Workers"
	answer, x, err := workdayCall(ctx, q, asksTime, soapBody{Timestamp: &timestampGet{version}})
	if err != nil {
		return err
	}
	q.reached(plumbline.TierCredential)
	if answer.Time == nil {
		return troublef(plumbline.ClassProtocol, "%s answered without a Server_Timestamp", asksTime)
	}
	if err := q.clock(*answer.Time, x.latency); err != nil {
		return err
	}
	q.proof["use"], q.proof["user"] = useSOAP, q.account.Provider.(*Workday).User
	answer, _, err = workdayCall(ctx, q, asksWorkers, soapBody{Workers: &workersGet{Version: version, Page: 1, Count: 1, Reference: true}})
	if err != nil {
		return err
	}
	workers := answer.Workers
	if workers == nil {
		return troublef(plumbline.ClassProtocol, "%s answered without a Get_Workers_Response", asksWorkers)
	}
	q.reached(plumbline.TierPermission)
	if len(workers.Rows) == 0 {
		q.proof["rows"] = 0
		return troublef(plumbline.ClassEmptyData, "%s answered 200 without a row: %s", asksWorkers, workdayHidden)
	}
	q.proof["rows"] = len(workers.Rows)
	if workers.Total != nil {
		q.proof["rows"] = max(*workers.Total, len(workers.Rows))
	}
	q.reached(plumbline.TierData)
	return nil
}

// mostSkew is how far clocks may be apart before it is told: signatures and assertions live for few minutes.
const mostSkew = time.Minute

// clock compares Workday's clock with ours as it was in the middle of the exchange.
func (q *inquiry) clock(said string, took time.Duration) error {
	theirs, err := time.Parse(time.RFC3339Nano, strings.TrimSpace(said))
	if err != nil {
		return troublef(plumbline.ClassProtocol, "Server_Timestamp_Get answered %s, want a time with its zone", q.quote(said, 60))
	}
	skew := theirs.Sub(q.scene.clients.Now().Add(-took / 2))
	q.proof["clock_skew_seconds"] = skew.Round(time.Millisecond).Seconds()
	if skew.Abs() > mostSkew {
		where := "ahead of"
		if skew < 0 {
			where = "behind"
		}
		q.warn("Workday's clock is %s %s the one here: assertions are refused whose time is wrong", skew.Abs().Round(time.Second), where)
	}
	return nil
}

// workdayCall asks an operation in the name of the user, and takes an envelope that has no fault in it.
func workdayCall(ctx context.Context, q *inquiry, operation string, body soapBody) (*soapAnswer, *exchange, error) {
	w := q.account.Provider.(*Workday)
	user, password, err := w.user(q.account.Name)
	if err != nil {
		return nil, nil, err
	}
	text, err := xml.Marshal(soapRequest{SOAP: soapNamespace, Workday: workdayNamespace, Body: body, Security: security{MustUnderstand: 1, WSSE: wsseNamespace,
		User: usernameToken{user, typedPassword{passwordText, password}}}})
	if err != nil {
		return nil, nil, err
	}
	x, err := q.ask(ctx, demand{method: http.MethodPost, path: segments("ccx", "service", w.Tenant, "Human_Resources", w.Version), body: text, as: w.inBody,
		header: http.Header{"Content-Type": {"text/xml;charset=UTF-8"}, "Soapaction": {`""`}}})
	if err != nil {
		return nil, x, err
	}
	if err := workdayPage(q, x, operation); err != nil {
		return nil, x, err
	}
	if x.status == http.StatusOK {
		q.said = nil // a row is of a person
	}
	answer := &soapAnswer{}
	switch broken := xml.Unmarshal(x.body, answer); {
	case broken == nil && answer.Fault != nil:
		return nil, x, answer.Fault.trouble(q, x, operation)
	case x.status != http.StatusOK:
		return nil, x, workdayRefusal(q, x, operation)
	case broken != nil:
		return nil, x, troublef(plumbline.ClassProtocol, "%s answered something that is no SOAP", operation)
	}
	return answer, x, nil
}

// A soapFault is why an operation was refused. Those of who asks come with HTTP 500, like all others.
type soapFault struct {
	Code       string   `xml:"faultcode"`
	Text       string   `xml:"faultstring"`
	Processing []string `xml:"detail>Processing_Fault>Detail_Message"`
	Validation []string `xml:"detail>Validation_Fault>Validation_Error>Message"`
	Details    []string `xml:"detail>Validation_Fault>Detail_Message"`
}

// faultIn is the fault in a body, nil if there is none.
func faultIn(body []byte) *soapFault {
	var answer soapAnswer
	if xml.Unmarshal(body, &answer) != nil {
		return nil
	}
	return answer.Fault
}

// trouble says what the fault means.
func (f *soapFault) trouble(q *inquiry, x *exchange, who string) error {
	_, code, _ := cutLast(f.Code, ":")
	texts := []string{strings.TrimSpace(f.Text)}
	for _, list := range [][]string{f.Processing, f.Validation, f.Details} {
		for _, more := range list {
			if more = strings.TrimSpace(more); more != "" && !strings.Contains(texts[0], more) {
				texts = append(texts, more)
			}
		}
	}
	text := strings.Join(texts, "; ")
	shown := q.quote(text, 300)
	if r, known := rule(workdayFaults, 0, code, text); known {
		return workdayTrouble(q, r, x, "%s answered the fault %s", who, shown)
	}
	return troublef(plumbline.ClassProtocol, "%s answered the fault %s (%s), which the catalogue has nothing of", who, shown, q.quote(code, 100))
}
