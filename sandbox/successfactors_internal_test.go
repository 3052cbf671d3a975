package sandbox

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	plumbline "github.com/plumbline-dev/plumbline"
	"github.com/plumbline-dev/plumbline/checks"
	"github.com/plumbline-dev/plumbline/internal/strictyaml"
)

func TestSuccessFactorsGivesTheSameTokenUntilItEnds(t *testing.T) {
	c := newSAPCaller(t)
	first, seconds := c.token(plumbline.Green)
	if seconds != 86400 {
		t.Errorf("a token of %d s, want a day's", seconds)
	}
	c.now = c.now.Add(time.Hour)
	if again, left := c.token(plumbline.Green); again != first || left != 82800 {
		t.Errorf("another token or life: %d s left, want 82800", left)
	}
	forced, _ := c.token(plumbline.Green, "new_token", "true")
	if forced == first {
		t.Error("new_token gave the old one")
	}
	if other, _ := c.token(plumbline.Blue); other == first || other == forced {
		t.Error("blue has green's token")
	}
	if got := c.get("/odata/v2/User?$top=1", first); !strings.HasPrefix(got, "OK ") {
		t.Errorf("the first token, before its end: %s", got)
	}
	c.now = c.now.Add(23 * time.Hour)
	if got := c.get("/odata/v2/User?$top=1", first); !strings.Contains(got, "[LGN0022]The access token is either rejected or expired") || !strings.HasPrefix(got, "Forbidden ") {
		t.Errorf("the first token, after its end: %s", got)
	}
	if got := c.get("/odata/v2/User?$top=1", forced); !strings.HasPrefix(got, "OK ") {
		t.Errorf("the forced token, before its end: %s", got)
	}
	c.now = c.now.Add(2 * time.Hour)
	if last, _ := c.token(plumbline.Green); last == forced {
		t.Error("a token that ended is given out")
	}
}

func TestSuccessFactorsRefusesAssertions(t *testing.T) {
	c := newSAPCaller(t)
	good := c.signed(plumbline.Green)
	as := func(change func(*SuccessFactorsAccount), recipient string, at time.Time) []byte {
		account := c.account(plumbline.Green)
		change(&account)
		text, err := signedAssertion(account, c.clients[plumbline.Green].key, recipient, at)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	same := func(*SuccessFactorsAccount) {}
	replaced := func(old, by string) []byte { return []byte(strings.Replace(string(good), old, by, 1)) }
	altered := func(change func(*etree.Document)) []byte {
		document := etree.NewDocument()
		if err := document.ReadFromBytes(good); err != nil {
			t.Fatal(err)
		}
		change(document)
		text, err := document.WriteToBytes()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, test := range map[string]struct {
		assertion []byte
		want      string
	}{
		"nothing":                 {nil, sapSaysSignature},
		"no XML":                  {[]byte("hello"), sapSaysSignature},
		"another user":            {replaced("plum-green", "cgrant"), sapSaysSignature},
		"another signature":       {replaced("<ds:SignatureValue>", "<ds:SignatureValue>AAAA"), sapSaysSignature},
		"the key of another":      {c.signed(plumbline.Blue), sapSaysSignature},
		"no signature":            {altered(func(d *etree.Document) { d.Root().RemoveChild(d.Root().SelectElement("Signature")) }), sapSaysSignature},
		"a document type":         {append([]byte("<!DOCTYPE a>"), good...), sapSaysSignature},
		"two assertions, wrapped": {altered(wrap), sapSaysSignature},
		"two of one ID": {altered(func(d *etree.Document) {
			wrap(d)
			d.Root().CreateAttr("ID", d.FindElement("//Reference").SelectAttrValue("URI", "")[1:])
		}), sapSaysSignature},
		"a signature elsewhere": {altered(func(d *etree.Document) {
			moved := d.Root().SelectElement("Signature")
			d.Root().RemoveChild(moved)
			d.Root().SelectElement("Subject").AddChild(moved)
		}), sapSaysSignature},
		"a comment in the user": {altered(func(d *etree.Document) { d.FindElement("//NameID").CreateComment("x") }), ""},
		"another api_key":       {as(func(a *SuccessFactorsAccount) { a.ClientID = "other" }, sapEndpoint, c.now), sapSaysKey},
		"nobody":                {as(func(a *SuccessFactorsAccount) { a.User = "nobody" }, sapEndpoint, c.now), sapSaysUser},
		"another recipient":     {as(same, "https://elsewhere.test/oauth/token", c.now), sapSaysRecipient},
		"too old":               {as(same, sapEndpoint, c.now.Add(-10*time.Minute)), sapSaysExpired},
		"barely in time":        {as(same, sapEndpoint, c.now.Add(-10*time.Minute+time.Second)), ""},
		"too early":             {as(same, sapEndpoint, c.now.Add(6*time.Minute)), sapSaysEarly},
		"as it should be":       {good, ""},
		"asked at /odata/v2":    {as(same, "https://example.com/odata/v2", c.now), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.login(plumbline.Green, test.assertion)
			if test.want == "" && !strings.HasPrefix(got, "OK ") || test.want != "" && (!strings.HasPrefix(got, "Unauthorized ") || !strings.Contains(got, test.want)) {
				t.Errorf("got %s, want %q", got, test.want)
			}
		})
	}
	for name, test := range map[string]struct{ field, value, want string }{
		"company":   {"company_id", "acmeprod", `Forbidden {"error":{"code":"COMPANY_NOT_FOUND","message":{"lang":"en-US","value":"[LGN0008]Company [acmeprod] not found.`},
		"client":    {"client_id", "nobody", sapSaysClient + sapCompany},
		"grant":     {"grant_type", "password", "Bad Request "},
		"another":   {"client_id", c.account(plumbline.Blue).ClientID, sapSaysSignature},
		"no client": {"client_id", "", sapSaysClient},
	} {
		if got := c.login(plumbline.Green, good, test.field, test.value); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

// wrap puts the signed assertion inside one that says something else.
func wrap(d *etree.Document) {
	signed := d.Root()
	evil := signed.Copy()
	evil.CreateAttr("ID", "_evil")
	evil.FindElement("./Subject/NameID").SetText("cgrant")
	signature := evil.SelectElement("Signature")
	evil.RemoveChild(signature)
	d.SetRoot(evil)
	evil.AddChild(signed)
}

func TestSuccessFactorsWantsTheRightAudience(t *testing.T) {
	c := newSAPCaller(t)
	account := c.account(plumbline.Green)
	element := etree.NewDocument()
	if err := element.ReadFromBytes(c.signed(plumbline.Green)); err != nil {
		t.Fatal(err)
	}
	root := element.Root()
	root.RemoveChild(root.SelectElement("Signature"))
	root.FindElement("//Audience").SetText("www.elsewhere.com")
	if err := signElement(root, c.clients[plumbline.Green].key); err != nil {
		t.Fatal(err)
	}
	text, err := element.WriteToBytes()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.login(plumbline.Green, text); !strings.Contains(got, sapSaysAudience) || account.Key == "" {
		t.Errorf("got %s", got)
	}
}

func TestSuccessFactorsAnswersQuestions(t *testing.T) {
	c := newSAPCaller(t)
	token, _ := c.token(plumbline.Green)
	for path, want := range map[string]string{
		"/odata/v2/User?$top=1&$select=userId":                    `OK {"d":{"results":[{"__metadata":{"type":"SFOData.User","uri":"https://example.com/odata/v2/User"},"userId":"cgrant"}]}}`,
		"/odata/v2/User?$top=1&$select=userId&$inlinecount=none":  `"results"`,
		"/odata/v2/FOCompany?$inlinecount=allpages":               `"__count":"1"`,
		"/odata/v2/EmpPayGroup":                                   `OK {"d":{"results":[]}}`,
		"/odata/v2/Usr":                                           `Bad Request {"error":{"code":"COE_ENTITY_NOT_FOUND","message":{"lang":"en-US","value":"Invalid entity (or function) name: Usr"}}}`,
		"/odata/v2/User?$select=userId,shoe":                      `Bad Request {"error":{"code":"COE_PROPERTY_NOT_FOUND","message":{"lang":"en-US","value":"[COE0021]Invalid property names: User/shoe"}}}`,
		"/odata/v2/$metadata":                                     "Internal Server Error The request has timed out. OData metadata is being generated",
		"/odata/v4/timemanagement/absence/v1/TimeAccounts?$top=1": `OK {"@odata.context":"$metadata#TimeAccounts","value":[{"id":"6a1f","userId":"cgrant"}]}`,
		"/odata/v4/timemanagement/absence/v1/Nothing":             `Not Found {"error":{"code":"404","message":"Not Found"}}`,
	} {
		if got := c.get(path, token); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
	account := c.account(plumbline.Green)
	for name, test := range map[string]struct {
		header http.Header
		want   string
	}{
		"nobody":           {nil, `Forbidden <?xml version="1.0" encoding="utf-8"?><error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"><code>CREDENTIALS_MISSING</code>`},
		"a wrong token":    {http.Header{"Authorization": {"Bearer x"}}, "[LGN0022]"},
		"Basic":            {basicHeader(account.User+"@"+account.Company, account.Password), "OK <?xml"},
		"a wrong password": {basicHeader(account.User+"@"+account.Company, "x"), "Unauthorized <?xml"},
		"a wrong company":  {basicHeader(account.User+"@acme", account.Password), "Company [acme] not found"},
	} {
		if got := asked(t, c, "GET", "/odata/v2/User", "", test.header); !strings.Contains(got, test.want) {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func basicHeader(user, password string) http.Header {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header
}

func TestSuccessFactorsThrottlesWhoAsksTooOften(t *testing.T) {
	c := newSAPCaller(t)
	green, _ := c.token(plumbline.Green)
	blue, _ := c.token(plumbline.Blue)
	last := ""
	for range sapPerMinute {
		last = c.get("/odata/v2/User?$top=1", green)
	}
	if !strings.HasPrefix(last, "Too Many Requests ") {
		t.Errorf("%d requests in no time: %s", sapPerMinute+1, last)
	}
	if got := c.get("/odata/v2/User?$top=1", blue); !strings.HasPrefix(got, "OK ") {
		t.Errorf("blue pays for green: %s", got)
	}
	c.now = c.now.Add(time.Minute)
	if got := c.get("/odata/v2/User?$top=1", green); !strings.HasPrefix(got, "OK ") {
		t.Errorf("a minute later: %s", got)
	}
}

// sapClasses are what the check of the kind makes of each fault.
var sapClasses = map[string]plumbline.Class{
	"LGN0001": plumbline.ClassMisconfig, "LGN0002": plumbline.ClassPermission, "LGN0003": plumbline.ClassCredential, "LGN0004": plumbline.ClassMisconfig,
	"LGN0005": plumbline.ClassCredential, "LGN0006": plumbline.ClassCredential, "LGN0007": plumbline.ClassCredential, "LGN0008": plumbline.ClassMisconfig,
	"LGN0009": plumbline.ClassMisconfig, "LGN0010": plumbline.ClassMisconfig, "LGN0015": plumbline.ClassCredential, "LGN0022": plumbline.ClassCredential,
	"COE0020": plumbline.ClassPermission, "COE0021": plumbline.ClassMisconfig, "COE_ENTITY_NOT_FOUND": plumbline.ClassMisconfig,
	sapThrottled: plumbline.ClassThrottled, sapMaintenance: plumbline.ClassMaintenance, sapOutage: plumbline.ClassOutage, sapMetadata: plumbline.ClassOutage,
	sapSignature: plumbline.ClassCredential, sapInvalidUser: plumbline.ClassCredential, sapNoClient: plumbline.ClassCredential, sapNoRows: plumbline.ClassEmptyData,
	sapRevoked: "", // a new token is asked for
}

// TestSuccessFactorsKindAndSimulator asks the simulator as a suite does, and as Plum does, under every fault.
func TestSuccessFactorsKindAndSimulator(t *testing.T) {
	s := newSuccessFactors(time.Now, rand.Reader)
	server := httptest.NewServer((simulators{"successfactors": s}).handler())
	t.Cleanup(server.Close)
	transport := checks.NewTransport(4)
	t.Cleanup(transport.CloseIdleConnections)
	ask := func(connections *checks.Connections, color plumbline.Color) (plumbline.Answer, error) {
		t.Helper()
		n, err := strictyaml.Parse("check", []byte("successfactors: {connection: sap, entities: [User, EmpJob]}"))
		if err != nil {
			t.Fatal(err)
		}
		kinds := checks.Kinds(checks.Clients{Transport: transport, Connections: connections})
		d, problems := checks.Split("check", n, kinds, nil)
		compiled, more := kinds[d.Key].Compile(d)
		if err := append(problems, more...).Err(); err != nil {
			t.Fatal(err)
		}
		return compiled.Probe(t.Context(), plumbline.Ask{Site: plumbline.Site{Service: "plum", Color: color, URL: "http://127.0.0.1:1"}, Run: "r"})
	}
	accounts := func() *checks.Connections {
		var list []checks.Connection
		for _, color := range plumbline.Colors() {
			a := s.account(color)
			list = append(list, checks.Connection{Name: "sap", Account: string(color), Color: color, Kind: checks.KindSuccessFactors, Origins: []string{server.URL},
				TokenURL: checks.SuccessFactorsToken, Secret: func() string { return a.Key },
				Provider: &checks.SuccessFactors{Company: a.Company, User: a.User, ClientID: a.ClientID}})
		}
		connections := checks.NewConnections(list, transport, nil)
		t.Cleanup(connections.Close)
		return connections
	}
	faults := s.faults()
	if len(faults) != len(sapClasses) {
		t.Errorf("%d faults, want %d", len(faults), len(sapClasses))
	}
	for _, fault := range faults {
		t.Run(fault, func(t *testing.T) {
			want, known := sapClasses[fault]
			if !known {
				t.Fatal("it has no class")
			}
			connections := accounts()
			if answer, err := ask(connections, plumbline.Green); err != nil || answer.Tier != plumbline.TierData {
				t.Fatalf("before it: %v", err)
			}
			if slices.Contains([]string{sapSignature, sapInvalidUser, sapNoClient}, fault) {
				connections = accounts() // which have no token yet
			}
			if err := s.set(plumbline.Green, fault); err != nil {
				t.Fatal(err)
			}
			answer, err := ask(connections, plumbline.Green)
			if answer.Class != want || (err == nil) != (want == "") {
				t.Errorf("class %q, want %q: %v", answer.Class, want, err)
			}
			if answer, err := ask(connections, plumbline.Blue); err != nil {
				t.Errorf("blue has it as well: %q %v", answer.Class, err)
			}
			if found := s.ask(conversation{ctx: t.Context(), client: server.Client(), base: server.URL}, plumbline.Green, ""); fault != sapRevoked && (found.class != want || found.proof != nil) {
				t.Errorf("Plum finds %q, want %q", found.class, want)
			}
			if err := s.set("", ""); err != nil {
				t.Fatal(err)
			}
			found := s.ask(conversation{ctx: t.Context(), client: server.Client(), base: server.URL}, plumbline.Blue, "")
			if found.class != "" || found.proof["rows"] != len(sapEntities["User"]) {
				t.Errorf("Plum finds %q, %v", found.class, found.proof)
			}
		})
	}
	if found := s.ask(conversation{ctx: t.Context(), client: server.Client(), base: server.URL}, plumbline.Blue, "old"); found.class != plumbline.ClassCredential {
		t.Errorf("with another credential Plum finds %q", found.class)
	}
}
