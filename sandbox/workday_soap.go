package sandbox

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	plumbline "github.com/plumbline-dev/plumbline"
)

const (
	soapNamespace  = "http://schemas.xmlsoap.org/soap/envelope/"
	wsseNamespace  = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	bsvcNamespace  = "urn:com.workday/bsvc"
	workdayVersion = "v44.2"
)

// A soapCall is what an envelope asks for.
type soapCall struct {
	user, password string
	operation      string
	filter         []string // the elements of Response_Filter, in their order
}

// readEnvelope reads an envelope element by element: a mistake in a namespace is one.
func readEnvelope(body io.Reader) (soapCall, error) {
	var call soapCall
	var way []xml.Name
	decoder := xml.NewDecoder(body)
	for {
		token, err := decoder.Token()
		switch {
		case errors.Is(err, io.EOF):
			if call.operation == "" {
				return call, errors.New("an envelope without an operation")
			}
			return call, nil
		case err != nil:
			return call, err
		}
		switch at := token.(type) {
		case xml.StartElement:
			way = append(way, at.Name)
			switch depth := len(way); {
			case depth == 1 && at.Name != (xml.Name{Space: soapNamespace, Local: "Envelope"}):
				return call, fmt.Errorf("%s is no envelope", at.Name.Local)
			case depth == 3 && way[1] == (xml.Name{Space: soapNamespace, Local: "Body"}):
				if at.Name.Space != bsvcNamespace || call.operation != "" {
					return call, fmt.Errorf("%s is no operation, or a second one", at.Name.Local)
				}
				call.operation = at.Name.Local
			case depth == 5 && way[3].Local == "Response_Filter":
				call.filter = append(call.filter, at.Name.Local)
			}
		case xml.EndElement:
			way = way[:len(way)-1]
		case xml.CharData:
			if len(way) == 5 && way[2] == (xml.Name{Space: wsseNamespace, Local: "Security"}) {
				switch way[4].Local {
				case "Username":
					call.user += string(at)
				case "Password":
					call.password += string(at)
				}
			}
		}
	}
}

// inOrder says whether the elements of a filter are in the order of the schema: Page before Count.
func (c soapCall) inOrder() bool {
	return slices.IsSortedFunc(c.filter, func(a, b string) int {
		order := []string{"As_Of_Effective_Date", "As_Of_Entry_DateTime", "Page", "Count"}
		return slices.Index(order, a) - slices.Index(order, b)
	})
}

func envelope(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<SOAP-ENV:Envelope xmlns:SOAP-ENV="`+soapNamespace+`"><SOAP-ENV:Body>`+body+`</SOAP-ENV:Body></SOAP-ENV:Envelope>`)
}

// fault is how Workday refuses: with status 500, whatever is wrong.
func fault(w http.ResponseWriter, code, text string) {
	envelope(w, http.StatusInternalServerError, `<SOAP-ENV:Fault xmlns:wd="`+bsvcNamespace+`"><faultcode>SOAP-ENV:`+code+`</faultcode><faultstring>`+text+`</faultstring></SOAP-ENV:Fault>`)
}

// soap answers two operations of Human_Resources.
func (s *workdaySim) soap(w http.ResponseWriter, r *http.Request) {
	call, err := readEnvelope(r.Body)
	color := s.user(strings.TrimSpace(call.user), strings.TrimSpace(call.password))
	broken := s.broken.of(color)
	switch {
	case s.away(w, broken):
	case err != nil:
		fault(w, "Client.validationError", "Validation error occurred. Element could not be read.")
	case r.URL.Path != "/ccx/service/"+workdayTenant+"/Human_Resources/"+workdayVersion:
		fault(w, "Client.validationError", "Validation error occurred. Web service or version is invalid.")
	case color == "", broken == workdayCredential:
		fault(w, "Client.authenticationError", "invalid username or password")
	case call.operation == "Server_Timestamp_Get":
		now := s.clock()
		if broken == workdaySkewed {
			now = now.Add(-5 * time.Minute)
		}
		envelope(w, http.StatusOK, `<wd:Server_Timestamp xmlns:wd="`+bsvcNamespace+`" wd:version="`+workdayVersion+`"><wd:Server_Timestamp_Data>`+
			now.Format("2006-01-02T15:04:05.000-07:00")+`</wd:Server_Timestamp_Data></wd:Server_Timestamp>`)
	case call.operation != "Get_Workers_Request", !call.inOrder():
		fault(w, "Client.validationError", "Validation error occurred. Element Content is not in the order of the schema.")
	case broken == workdayPermission:
		fault(w, "Server.processingError", "Processing error occurred. The task submitted is not authorized.")
	default:
		s.workers(w, broken)
	}
}

func (s *workdaySim) workers(w http.ResponseWriter, broken string) {
	rows, total := `<wd:Worker><wd:Worker_Reference><wd:ID wd:type="Employee_ID">21001</wd:ID></wd:Worker_Reference></wd:Worker>`, workdayWorkers
	if broken == workdayEmpty {
		rows, total = "", 0
	}
	envelope(w, http.StatusOK, fmt.Sprintf(`<wd:Get_Workers_Response xmlns:wd="%s" wd:version="%s"><wd:Response_Results><wd:Total_Results>%d</wd:Total_Results></wd:Response_Results><wd:Response_Data>%s</wd:Response_Data></wd:Get_Workers_Response>`,
		bsvcNamespace, workdayVersion, total, rows))
}

// ask gets one worker as Plum's integration system user does.
func (s *workdaySim) ask(c conversation, color plumbline.Color, credential string) finding {
	account := s.account(color)
	if credential == "" {
		credential = account.Password
	}
	var answer string
	request := `<soapenv:Envelope xmlns:soapenv="` + soapNamespace + `" xmlns:bsvc="` + bsvcNamespace + `"><soapenv:Header><wsse:Security xmlns:wsse="` + wsseNamespace +
		`"><wsse:UsernameToken><wsse:Username>` + account.User + `</wsse:Username><wsse:Password>` + escaped(credential) + `</wsse:Password></wsse:UsernameToken></wsse:Security></soapenv:Header>` +
		`<soapenv:Body><bsvc:Get_Workers_Request bsvc:version="` + workdayVersion + `"><bsvc:Response_Filter><bsvc:Page>1</bsvc:Page><bsvc:Count>1</bsvc:Count></bsvc:Response_Filter></bsvc:Get_Workers_Request></soapenv:Body></soapenv:Envelope>`
	status, got := c.send(http.MethodPost, "/ccx/service/"+account.Tenant+"/Human_Resources/"+workdayVersion, http.Header{"Content-Type": {"text/xml;charset=UTF-8"}}, request, &answer)
	var total int
	switch {
	case strings.Contains(answer, "authenticationError"):
		return finding{class: plumbline.ClassCredential}
	case strings.Contains(answer, "is not authorized"):
		return finding{class: plumbline.ClassPermission}
	case strings.HasPrefix(got.Get("Content-Type"), "text/html"):
		return finding{class: plumbline.ClassMaintenance}
	case classOf(status) != "":
		return finding{class: classOf(status)}
	}
	if _, after, has := strings.Cut(answer, "<wd:Total_Results>"); !has {
		return finding{class: plumbline.ClassProtocol}
	} else if _, err := fmt.Sscanf(after, "%d<", &total); err != nil || total == 0 {
		return finding{class: plumbline.ClassEmptyData}
	}
	return finding{proof: map[string]any{"tenant": account.Tenant, "report": account.Report, "rows": total}}
}

func escaped(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // into memory
	return b.String()
}
