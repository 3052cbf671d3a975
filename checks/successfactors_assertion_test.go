package checks_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"math/big"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	"github.com/google/go-cmp/cmp"
	"github.com/plumbline-dev/plumbline/checks"
	dsig "github.com/russellhaering/goxmldsig"
)

// sapCertificate is what SAP has of the key.
func sapCertificate(t *testing.T, until time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "plumbline"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &sapKey().PublicKey, sapKey())
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// assertionOf is what an account sends to its token endpoint, decoded.
func assertionOf(t *testing.T, as *checks.SuccessFactors) []byte {
	t.Helper()
	var sent string
	origin := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.PostFormValue("assertion")
		w.WriteHeader(http.StatusUnauthorized)
	})
	connection := sapConnection(t, origin)
	connection.Provider = as
	if _, err := sapAsk(t, connection, "successfactors: acme-sf", askOf("http://127.0.0.1:1")); err == nil {
		t.Fatal("it passed without a token")
	}
	text, err := base64.StdEncoding.DecodeString(sent)
	if err != nil || len(text) == 0 {
		t.Fatalf("the assertion %q is no base64: %v", sent, err)
	}
	return text
}

// verify is what the signature of an assertion covers, if the key of the certificate made it.
func verify(t *testing.T, assertion []byte, certificate *x509.Certificate) (*etree.Element, error) {
	t.Helper()
	document := etree.NewDocument()
	if err := document.ReadFromBytes(assertion); err != nil {
		t.Fatal(err)
	}
	context := dsig.NewDefaultValidationContext(&dsig.MemoryX509CertificateStore{Roots: []*x509.Certificate{certificate}})
	return context.Validate(document.Root())
}

// sapUsers are names that XML makes hard.
var sapUsers = []string{"plumbline", `O'Neil & "Søn" <x>]]>`, "  tab\tand spaces ", "名前"}

func TestSuccessFactorsAssertionIsSigned(t *testing.T) {
	certificate := sapCertificate(t, time.Now().Add(time.Hour))
	for _, told := range []*x509.Certificate{nil, certificate} {
		for _, user := range sapUsers {
			text := assertionOf(t, &checks.SuccessFactors{Company: "ACMEPROD", User: user, ClientID: "key", Certificate: told})
			covered, err := verify(t, text, certificate)
			if err != nil {
				t.Fatalf("%q: %v\n%s", user, err, text)
			}
			if got := covered.FindElement("./Subject/NameID").Text(); got != user {
				t.Errorf("the signature covers the user %q, want %q", got, user)
			}
			for was, is := range map[string]string{`>key<`: `>kez<`, `>www.successfactors.com<`: `>key<`, `2.0:cm:bearer`: `2.0:cm:holder`} {
				altered := bytes.Replace(text, []byte(was), []byte(is), 1)
				if _, err := verify(t, altered, certificate); err == nil || bytes.Equal(altered, text) {
					t.Errorf("%s may become %s", was, is)
				}
			}
		}
	}
}

func TestSuccessFactorsAssertionSays(t *testing.T) {
	before := time.Now().UTC().Truncate(time.Second)
	text := assertionOf(t, &checks.SuccessFactors{Company: "ACMEPROD", User: "plumbline", ClientID: "key",
		Issuer: "key", Recipient: "https://api10.successfactors.com/odata/v2", UseUsername: true, ExternalUser: true})
	var said saml.Assertion
	if err := xml.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	attributes := map[string]string{}
	for _, a := range said.AttributeStatements[0].Attributes {
		attributes[a.Name] = a.Values[0].Value
	}
	confirmation := said.Subject.SubjectConfirmations[0]
	got := map[string]any{"issuer": said.Issuer.Value, "user": said.Subject.NameID.Value, "format": said.Subject.NameID.Format,
		"method": confirmation.Method, "recipient": confirmation.SubjectConfirmationData.Recipient,
		"audience": said.Conditions.AudienceRestrictions[0].Audience.Value, "attributes": attributes, "version": said.Version}
	want := map[string]any{"issuer": "key", "user": "plumbline", "format": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
		"method": "urn:oasis:names:tc:SAML:2.0:cm:bearer", "recipient": "https://api10.successfactors.com/odata/v2",
		"audience": "www.successfactors.com", "version": "2.0",
		"attributes": map[string]string{"api_key": "key", "use_username": "true", "external_user": "true"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	issued := said.IssueInstant
	if issued.Before(before) || issued.After(time.Now()) {
		t.Errorf("issued at %s, want now", issued)
	}
	for name, at := range map[string][2]time.Time{"not before": {said.Conditions.NotBefore, issued.Add(-5 * time.Minute)},
		"not on or after": {said.Conditions.NotOnOrAfter, issued.Add(10 * time.Minute)}, "confirmed until": {confirmation.SubjectConfirmationData.NotOnOrAfter, issued.Add(10 * time.Minute)}} {
		if !at[0].Equal(at[1]) {
			t.Errorf("%s %s, want %s", name, at[0], at[1])
		}
	}
	document := etree.NewDocument()
	if err := document.ReadFromBytes(text); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, child := range document.Root().ChildElements() {
		order = append(order, child.Tag)
	}
	if got := strings.Join(order, " "); got != "Issuer Signature Subject Conditions AuthnStatement AttributeStatement" {
		t.Errorf("in the order %s", got)
	}
	for path, want := range map[string]string{
		"//CanonicalizationMethod/@Algorithm": "http://www.w3.org/2001/10/xml-exc-c14n#", "//SignatureMethod/@Algorithm": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
		"//DigestMethod/@Algorithm": "http://www.w3.org/2001/04/xmlenc#sha256", "//Reference/@URI": "#" + said.ID} {
		at, attribute, _ := strings.Cut(path, "/@")
		if got := document.FindElement(at).SelectAttrValue(attribute, ""); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestSuccessFactorsAssertionByDefault(t *testing.T) {
	text := assertionOf(t, &checks.SuccessFactors{Company: "ACMEPROD", User: "plumbline", ClientID: "key"})
	var said saml.Assertion
	if err := xml.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	recipient := said.Subject.SubjectConfirmations[0].SubjectConfirmationData.Recipient
	if said.Issuer.Value != "www.successfactors.com" || !strings.HasPrefix(recipient, "http://127.0.0.1:") || !strings.HasSuffix(recipient, "/oauth/token") || len(said.AttributeStatements[0].Attributes) != 1 {
		t.Errorf("issuer %q, recipient %q, %d attributes", said.Issuer.Value, recipient, len(said.AttributeStatements[0].Attributes))
	}
	if again := assertionOf(t, &checks.SuccessFactors{Company: "ACMEPROD", User: "plumbline", ClientID: "key"}); bytes.Contains(again, []byte(said.ID)) {
		t.Error("two assertions have one ID")
	}
}

// TestSuccessFactorsAssertionByXmlsec asks a verifier that shares nothing with what signs here.
func TestSuccessFactorsAssertionByXmlsec(t *testing.T) {
	xmlsec, err := exec.LookPath("xmlsec1")
	if err != nil {
		t.Skip("xmlsec1 is not installed (apt-get install xmlsec1)")
	}
	dir := t.TempDir()
	certificate := sapCertificate(t, time.Now().Add(time.Hour))
	public, err := x509.MarshalPKIXPublicKey(&sapKey().PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	key, trusted, file := filepath.Join(dir, "key.pem"), filepath.Join(dir, "certificate.pem"), filepath.Join(dir, "assertion.xml")
	keep := func(name string, data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keep(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	keep(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Raw}))
	// The attribute that is an ID has to be named: there is no schema at hand that says so.
	verified := func(assertion []byte, with ...string) (string, error) {
		keep(file, assertion)
		with = append(append([]string{"--verify", "--id-attr:ID", "urn:oasis:names:tc:SAML:2.0:assertion:Assertion"}, with...), file)
		said, err := exec.CommandContext(t.Context(), xmlsec, with...).CombinedOutput()
		return string(said), err
	}
	for _, user := range sapUsers {
		for told, with := range map[*x509.Certificate][]string{nil: {"--pubkey-pem", key}, certificate: {"--trusted-pem", trusted}} {
			text := assertionOf(t, &checks.SuccessFactors{Company: "ACMEPROD", User: user, ClientID: "key", Certificate: told})
			if said, err := verified(text, with...); err != nil {
				t.Errorf("%q: %v: %s\n%s", user, err, said, text)
			}
			if said, err := verified(bytes.Replace(text, []byte(">key<"), []byte(">kez<"), 1), with...); err == nil {
				t.Errorf("xmlsec1 takes an assertion that was altered: %s", said)
			}
		}
	}
}
