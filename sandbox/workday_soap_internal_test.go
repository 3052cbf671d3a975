package sandbox

import (
	"net/http"
	"strings"
	"testing"

	plumbline "github.com/plumbline-dev/plumbline"
)

// soapText is a request as the documents of Workday have it.
func soapText(user, password, operation string) string {
	return `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:bsvc="urn:com.workday/bsvc"><soapenv:Header><wsse:Security soapenv:mustUnderstand="1" xmlns:wsse="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd">` +
		`<wsse:UsernameToken><wsse:Username>` + user + `</wsse:Username><wsse:Password Type="http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText">` + password +
		`</wsse:Password></wsse:UsernameToken></wsse:Security></soapenv:Header><soapenv:Body>` + operation + `</soapenv:Body></soapenv:Envelope>`
}

const (
	askTime    = `<bsvc:Server_Timestamp_Get/>`
	askWorkers = `<bsvc:Get_Workers_Request bsvc:version="v44.2"><bsvc:Response_Filter><bsvc:Page>1</bsvc:Page><bsvc:Count>1</bsvc:Count></bsvc:Response_Filter><bsvc:Response_Group><bsvc:Include_Reference>true</bsvc:Include_Reference></bsvc:Response_Group></bsvc:Get_Workers_Request>`
)

func TestWorkdayWebServices(t *testing.T) {
	c := newWorkdayCaller(t)
	a := c.account(plumbline.Green)
	post := func(path, text string) string {
		return asked(t, c, "POST", path, text, http.Header{"Content-Type": {"text/xml;charset=UTF-8"}})
	}
	const path = "/ccx/service/acme/Human_Resources/v44.2"
	says(t, "the time", post(path, soapText(a.User, a.Password, askTime)), "OK ")
	says(t, "the time", post(path, soapText(a.User, a.Password, askTime)), "<wd:Server_Timestamp_Data>2026-11-24T04:00:00.000-08:00</wd:Server_Timestamp_Data>")
	one := post(path, soapText(a.User, a.Password, askWorkers))
	says(t, "one worker", one, "<wd:Total_Results>1842</wd:Total_Results><wd:Total_Pages>1842</wd:Total_Pages><wd:Page_Results>1</wd:Page_Results><wd:Page>1</wd:Page>")
	says(t, "one worker", one, `<wd:ID wd:type="Employee_ID">21001</wd:ID>`)
	if strings.Count(one, "<wd:Worker>") != 1 {
		t.Errorf("got %s", one)
	}
	last := post(path, soapText(a.User, a.Password, strings.NewReplacer("Page>1<", "Page>19<", "Count>1<", "Count>100<").Replace(askWorkers)))
	says(t, "the last page", last, "<wd:Total_Pages>19</wd:Total_Pages><wd:Page_Results>42</wd:Page_Results>")
	broken := `Internal Server Error <?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault xmlns:wd="urn:com.workday/bsvc"><faultcode>SOAP-ENV:`
	unknown := broken + "Client.authenticationError</faultcode><faultstring>invalid username or password</faultstring>"
	for name, text := range map[string]string{
		"another password":             soapText(a.User, "x", askTime),
		"no password":                  soapText(a.User, "", askTime),
		"blue's":                       soapText(c.account(plumbline.Blue).User, a.Password, askTime),
		"a user without its tenant":    soapText("ISU_PLUM_GREEN", a.Password, askTime),
		"another kind of password":     strings.Replace(soapText(a.User, a.Password, askTime), "#PasswordText", "#PasswordDigest", 1),
		"security that may be ignored": strings.Replace(soapText(a.User, a.Password, askTime), `mustUnderstand="1"`, `mustUnderstand="0"`, 1),
		"no security":                  envelopeOf(askTime),
	} {
		says(t, name, post(path, text), unknown)
	}
	invalid := broken + "Client.validationError</faultcode><faultstring>Validation error occurred. "
	good := soapText(a.User, a.Password, askWorkers)
	for name, text := range map[string]string{
		"Count before Page":       strings.Replace(good, "<bsvc:Page>1</bsvc:Page><bsvc:Count>1</bsvc:Count>", "<bsvc:Count>1</bsvc:Count><bsvc:Page>1</bsvc:Page>", 1),
		"the group before":        strings.Replace(strings.Replace(good, "<bsvc:Response_Group><bsvc:Include_Reference>true</bsvc:Include_Reference></bsvc:Response_Group>", "", 1), "<bsvc:Response_Filter>", "<bsvc:Response_Group><bsvc:Include_Reference>true</bsvc:Include_Reference></bsvc:Response_Group><bsvc:Response_Filter>", 1),
		"Page twice":              strings.Replace(good, "<bsvc:Page>1</bsvc:Page>", "<bsvc:Page>1</bsvc:Page><bsvc:Page>1</bsvc:Page>", 1),
		"a page of nothing":       strings.Replace(good, "Page>1<", "Page>0<", 1),
		"too many":                strings.Replace(good, "Count>1<", "Count>1000<", 1),
		"what there is not":       strings.Replace(good, "Include_Reference>", "Include_Everything>", 2),
		"text":                    strings.Replace(good, "<bsvc:Response_Filter>", "<bsvc:Response_Filter>text", 1),
		"another namespace":       strings.Replace(good, "urn:com.workday/bsvc", "urn:com.workday", 1),
		"nothing":                 "",
		"no XML":                  strings.TrimSuffix(good, "</soapenv:Envelope>"),
		"a document type":         `<!DOCTYPE a [<!ENTITY b "c">]>` + good,
		"two operations":          soapText(a.User, a.Password, askTime+askWorkers),
		"the body before":         strings.Replace(envelopeOf(askTime), "</soapenv:Body>", "</soapenv:Body><soapenv:Header/>", 1),
		"something else":          soapText(a.User, a.Password, `<bsvc:Put_Worker_Request/>`),
		"elements without an end": soapText(a.User, a.Password, strings.Repeat("<a>", 100_000)),
	} {
		says(t, name, post(path, text), invalid)
	}
	says(t, "another version", post("/ccx/service/acme/Human_Resources/v99.9", good), invalid+"The web service or version is invalid for the requested operation")
	says(t, "another service", post("/ccx/service/acme/Payroll/v44.2", good), "The web service or version is invalid")
	says(t, "where", post(path, strings.Replace(good, "Page>", "Size>", 2)), "<wd:Message>Element &#39;Size&#39; is not expected at this place</wd:Message><wd:Detail_Message>Element &#39;Size&#39; is not expected at this place</wd:Detail_Message>"+
		"<wd:Xpath>/Envelope[1]/Body[1]/Get_Workers_Request[1]/Response_Filter[1]</wd:Xpath>")
}

// envelopeOf is an operation that nobody asks.
func envelopeOf(operation string) string {
	return `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:bsvc="urn:com.workday/bsvc"><soapenv:Body>` + operation + `</soapenv:Body></soapenv:Envelope>`
}
