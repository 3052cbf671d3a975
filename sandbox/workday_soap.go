package sandbox

import (
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The namespaces of web services, and the one kind of password that is taken.
const (
	soapSpace        = "http://schemas.xmlsoap.org/soap/envelope/"
	workdaySpace     = "urn:com.workday/bsvc"
	securitySpace    = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
	passwordTextKind = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText" // #nosec G101 -- the name that a standard gives to a kind of text
)

var workdayVersion = regexp.MustCompile(`^v(2[5-9]|3[0-9]|4[0-4])\.[0-2]$`)

// webService answers operations of Human_Resources. Whatever is wrong is a fault, and HTTP says 500.
func (s *workdaySim) webService(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "the request is too long", http.StatusRequestEntityTooLarge)
		return
	}
	sent, problem := readSOAP(text)
	color := s.byPassword(sent.user, sent.password)
	owner := s.find(func(c *workdayClient) bool { return c.User == sent.user })
	if s.amiss(w, r, owner) {
		return
	}
	version := r.PathValue("version")
	switch fault := s.broken.of(color); {
	case problem != nil:
		invalid(w, problem)
	case color == "":
		wsFault(w, "Client.authenticationError", "invalid username or password", "")
	case fault == workdayNoVersion || r.PathValue("service") != "Human_Resources" || !workdayVersion.MatchString(version):
		wsFault(w, "Client.validationError", "Validation error occurred. The web service or version is invalid for the requested operation", "")
	case fault == workdayBroken:
		wsFault(w, "Server.processingError", "Processing error occurred.", "")
	case fault == workdayHalf:
		say(w, http.StatusOK, "text/xml;charset=UTF-8", `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="`+soapSpace+`"><env:Body><wd:Server_`)
	case sent.operation == "Server_Timestamp_Get":
		now := s.clock()
		if fault == workdaySkew {
			now = now.Add(5 * time.Minute)
		}
		wsAnswer(w, http.StatusOK, fmt.Sprintf(`<wd:Server_Timestamp xmlns:wd="%s" wd:version="%s"><wd:Server_Timestamp_Data>%s</wd:Server_Timestamp_Data></wd:Server_Timestamp>`,
			workdaySpace, version, now.In(time.FixedZone("", -8*3600)).Format("2006-01-02T15:04:05.000-07:00")))
	case fault == workdayNotAllowed:
		wsFault(w, "Server.processingError", "Processing error occurred. The task submitted is not authorized.", "")
	default:
		workers(w, version, sent, fault == workdayNoRows)
	}
}

// workers answers a page of workers, by reference alone.
func workers(w http.ResponseWriter, version string, sent soapCall, hidden bool) {
	total := workdayWorkers
	if hidden {
		total = 0
	}
	var rows strings.Builder
	shown := 0
	for n := (sent.page - 1) * sent.count; n < total && shown < sent.count; n++ {
		fmt.Fprintf(&rows, `<wd:Worker><wd:Worker_Reference><wd:ID wd:type="WID">%s</wd:ID><wd:ID wd:type="Employee_ID">%d</wd:ID></wd:Worker_Reference></wd:Worker>`, workdayID(n), 21001+n)
		shown++
	}
	wsAnswer(w, http.StatusOK, fmt.Sprintf(`<wd:Get_Workers_Response xmlns:wd="%s" wd:version="%s"><wd:Response_Filter><wd:Page>%d</wd:Page><wd:Count>%d</wd:Count></wd:Response_Filter>`+
		`<wd:Response_Group><wd:Include_Reference>1</wd:Include_Reference></wd:Response_Group>`+
		`<wd:Response_Results><wd:Total_Results>%d</wd:Total_Results><wd:Total_Pages>%d</wd:Total_Pages><wd:Page_Results>%d</wd:Page_Results><wd:Page>%[3]d</wd:Page></wd:Response_Results>`+
		`<wd:Response_Data>%[8]s</wd:Response_Data></wd:Get_Workers_Response>`, workdaySpace, version, sent.page, sent.count, total, (total+sent.count-1)/sent.count, shown, rows.String()))
}

func wsAnswer(w http.ResponseWriter, status int, inside string) {
	say(w, status, "text/xml;charset=UTF-8", `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="`+soapSpace+`"><SOAP-ENV:Body>`+inside+`</SOAP-ENV:Body></SOAP-ENV:Envelope>`)
}

func wsFault(w http.ResponseWriter, code, text, detail string) {
	wsAnswer(w, http.StatusInternalServerError, `<SOAP-ENV:Fault xmlns:wd="`+workdaySpace+`"><faultcode>SOAP-ENV:`+code+`</faultcode><faultstring>`+text+`</faultstring>`+detail+`</SOAP-ENV:Fault>`)
}

// invalid says which element isn't as the schema has it.
func invalid(w http.ResponseWriter, problem *soapProblem) {
	text := html.EscapeString(problem.text)
	wsFault(w, "Client.validationError", "Validation error occurred. "+text, "<detail><wd:Validation_Fault><wd:Validation_Error><wd:Message>"+text+
		"</wd:Message><wd:Detail_Message>"+text+"</wd:Detail_Message><wd:Xpath>"+html.EscapeString(problem.path)+"</wd:Xpath></wd:Validation_Error></wd:Validation_Fault></detail>")
}

// A soapCall is who asks an operation for what.
type soapCall struct {
	user, password string
	operation      string
	page, count    int
}

// A soapProblem is what isn't as the schema has it.
type soapProblem struct{ text, path string }

// An xmlElement is an element as it was written.
type xmlElement struct {
	name     xml.Name
	attrs    []xml.Attr
	children []*xmlElement
	text     string
}

func (e *xmlElement) attr(space, local string) string {
	for _, a := range e.attrs {
		if a.Name.Space == space && a.Name.Local == local {
			return a.Value
		}
	}
	return ""
}

func (e *xmlElement) child(local string) *xmlElement {
	for _, c := range e.children {
		if c.name.Local == local {
			return c
		}
	}
	return &xmlElement{}
}

// workdaySchema is what may stand within an element, in this order, each at most once (SOAP 1.1, WSS 1.0, and the public
// schema of Human_Resources as far as it is simulated). An element without an entry has text alone.
var workdaySchema = map[xml.Name][]xml.Name{
	{Space: soapSpace, Local: "Envelope"}:                inSpace(soapSpace, "Header", "Body"),
	{Space: soapSpace, Local: "Header"}:                  append(inSpace(workdaySpace, "Workday_Common_Header"), inSpace(securitySpace, "Security")...),
	{Space: soapSpace, Local: "Body"}:                    inSpace(workdaySpace, "Server_Timestamp_Get", "Get_Workers_Request"),
	{Space: securitySpace, Local: "Security"}:            inSpace(securitySpace, "UsernameToken"),
	{Space: securitySpace, Local: "UsernameToken"}:       inSpace(securitySpace, "Username", "Password"),
	{Space: workdaySpace, Local: "Server_Timestamp_Get"}: {},
	{Space: workdaySpace, Local: "Get_Workers_Request"}:  inSpace(workdaySpace, "Response_Filter", "Response_Group"),
	{Space: workdaySpace, Local: "Response_Filter"}:      inSpace(workdaySpace, "As_Of_Effective_Date", "As_Of_Entry_DateTime", "Page", "Count"),
	{Space: workdaySpace, Local: "Response_Group"}:       inSpace(workdaySpace, "Include_Reference", "Include_Personal_Information", "Include_Employment_Information"),
}

func inSpace(space string, names ...string) []xml.Name {
	var all []xml.Name
	for _, name := range names {
		all = append(all, xml.Name{Space: space, Local: name})
	}
	return all
}

// readSOAP takes a request whose elements are those of the schema in its order, and who asks, who may be nobody.
func readSOAP(text []byte) (soapCall, *soapProblem) {
	root, err := parseXML(text)
	if err != nil {
		return soapCall{}, &soapProblem{err.Error(), "/"}
	}
	if root.name != (xml.Name{Space: soapSpace, Local: "Envelope"}) {
		return soapCall{}, &soapProblem{"Element '" + root.name.Local + "' is no envelope", "/"}
	}
	security := root.child("Header").child("Security")
	token := security.child("UsernameToken")
	call := soapCall{user: token.child("Username").text}
	if password := token.child("Password"); password.attr("", "Type") == passwordTextKind && security.attr(soapSpace, "mustUnderstand") == "1" {
		call.password = password.text
	}
	if problem := inOrder(root, ""); problem != nil {
		return call, problem
	}
	body := root.child("Body")
	if len(body.children) != 1 {
		return call, &soapProblem{fmt.Sprintf("the Body has %d operations, want 1", len(body.children)), "/Envelope[1]/Body[1]"}
	}
	call.operation = body.children[0].name.Local
	filter := body.children[0].child("Response_Filter")
	for name, into := range map[string]*int{"Page": &call.page, "Count": &call.count} {
		*into = map[string]int{"Page": 1, "Count": 100}[name]
		if written := filter.child(name); written.name.Local != "" {
			n, err := strconv.Atoi(strings.TrimSpace(written.text))
			if err != nil || n < 1 || n > 999 {
				return call, &soapProblem{"Element Content '" + written.text + "' is not valid for " + name, "/Get_Workers_Request[1]/Response_Filter[1]/" + name + "[1]"}
			}
			*into = n
		}
	}
	return call, nil
}

// inOrder refuses what stands at another place than the schema's.
func inOrder(e *xmlElement, path string) *soapProblem {
	path += "/" + e.name.Local + "[1]"
	order, known := workdaySchema[e.name]
	if !known {
		if len(e.children) > 0 {
			return &soapProblem{"Element '" + e.children[0].name.Local + "' is not expected", path}
		}
		return nil
	}
	if strings.TrimSpace(e.text) != "" {
		return &soapProblem{"Text is not expected", path}
	}
	next := 0
	for _, c := range e.children {
		at := next
		for at < len(order) && order[at] != c.name {
			at++
		}
		if at == len(order) {
			return &soapProblem{"Element '" + c.name.Local + "' is not expected at this place", path}
		}
		next = at + 1
		if problem := inOrder(c, path); problem != nil {
			return problem
		}
	}
	return nil
}

// What XML may have, so that nobody is kept busy by it.
const (
	maxXMLDepth    = 16
	maxXMLElements = 256
)

// parseXML reads a document without a document type.
func parseXML(text []byte) (*xmlElement, error) {
	d := xml.NewDecoder(strings.NewReader(string(text)))
	var stack []*xmlElement
	var root *xmlElement
	for count := 0; ; {
		token, err := d.Token()
		if err == io.EOF && root != nil {
			return root, nil
		}
		if err != nil {
			return nil, fmt.Errorf("no XML: %w", err)
		}
		switch token := token.(type) {
		case xml.Directive:
			return nil, fmt.Errorf("a document type")
		case xml.StartElement:
			if count++; count > maxXMLElements || len(stack) >= maxXMLDepth || len(stack) == 0 && root != nil {
				return nil, fmt.Errorf("more elements than there can be")
			}
			e := &xmlElement{name: token.Name, attrs: token.Copy().Attr}
			if len(stack) == 0 {
				root = e
			} else {
				parent := stack[len(stack)-1]
				parent.children = append(parent.children, e)
			}
			stack = append(stack, e)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if len(stack) > 0 {
				stack[len(stack)-1].text += string(token)
			}
		}
	}
}
