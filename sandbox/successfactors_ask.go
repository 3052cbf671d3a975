package sandbox

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	plumbline "github.com/plumbline-dev/plumbline"
	dsig "github.com/russellhaering/goxmldsig"
)

// ask logs Plum in and asks for a user. A credential is presented in place of the assertion.
func (s *successFactorsSim) ask(c conversation, color plumbline.Color, credential string) finding {
	account := s.account(color)
	s.mu.Lock()
	key := s.clients[color].key
	s.mu.Unlock()
	assertion := []byte(credential)
	if credential == "" && key != nil {
		signed, err := signedAssertion(account, key, c.base+"/oauth/token", s.clock().UTC())
		if err != nil {
			return finding{class: plumbline.ClassMisconfig}
		}
		assertion = signed
	}
	form := url.Values{"company_id": {account.Company}, "client_id": {account.ClientID}, "assertion": {base64.StdEncoding.EncodeToString(assertion)},
		"grant_type": {"urn:ietf:params:oauth:grant-type:saml2-bearer"}}
	var text string
	var answer struct {
		Token string `json:"access_token"`
		D     struct {
			Count   string           `json:"__count"`
			Results []map[string]any `json:"results"`
		} `json:"d"`
	}
	status, _ := c.send(http.MethodPost, "/oauth/token", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, form.Encode(), &text)
	if status != http.StatusOK || json.Unmarshal([]byte(text), &answer) != nil {
		return finding{class: sapClass(status, text)}
	}
	bearer := http.Header{"Authorization": {"Bearer " + answer.Token}}
	status, _ = c.send(http.MethodGet, "/odata/v2/User?$top=1&$select=userId&$inlinecount=allpages&$format=json", bearer, "", &text)
	if status != http.StatusOK || json.Unmarshal([]byte(text), &answer) != nil {
		return finding{class: sapClass(status, text)}
	}
	if len(answer.D.Results) == 0 {
		return finding{class: plumbline.ClassEmptyData}
	}
	rows, _ := strconv.Atoi(answer.D.Count) // 0 where it isn't said
	return finding{proof: map[string]any{"company": account.Company, "entity": "User", "rows": rows}}
}

var sapCode = regexp.MustCompile(`\[([A-Z]{3}[0-9]{4})\]`)

// sapClass is what kind of failure an answer is, as far as Plum cares.
func sapClass(status int, text string) plumbline.Class {
	code := ""
	if found := sapCode.FindStringSubmatch(text); found != nil {
		code = found[1]
	}
	switch {
	case strings.Contains(text, "scheduled maintenance"):
		return plumbline.ClassMaintenance
	case code == "LGN0002", code == "COE0020":
		return plumbline.ClassPermission
	case slices.Contains([]string{"LGN0001", "LGN0004", "LGN0008", "LGN0009", "LGN0010"}, code), status == http.StatusBadRequest:
		return plumbline.ClassMisconfig
	case strings.HasPrefix(code, "LGN"):
		return plumbline.ClassCredential
	case status == http.StatusOK:
		return plumbline.ClassProtocol
	}
	return classOf(status)
}

// signedAssertion says that the user asks, as Plum says it.
func signedAssertion(account SuccessFactorsAccount, key *rsa.PrivateKey, recipient string, now time.Time) ([]byte, error) {
	ends := now.Add(10 * time.Minute)
	element := (&saml.Assertion{ID: "_" + rand.Text(), IssueInstant: now, Version: "2.0", Issuer: saml.Issuer{Value: "www.successfactors.com"},
		Subject: &saml.Subject{NameID: &saml.NameID{Format: "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified", Value: account.User},
			SubjectConfirmations: []saml.SubjectConfirmation{{Method: "urn:oasis:names:tc:SAML:2.0:cm:bearer",
				SubjectConfirmationData: &saml.SubjectConfirmationData{NotOnOrAfter: ends, Recipient: recipient}}}},
		Conditions: &saml.Conditions{NotBefore: now.Add(-5 * time.Minute), NotOnOrAfter: ends,
			AudienceRestrictions: []saml.AudienceRestriction{{Audience: saml.Audience{Value: "www.successfactors.com"}}}},
		AttributeStatements: []saml.AttributeStatement{{Attributes: []saml.Attribute{{Name: "api_key", Values: []saml.AttributeValue{{Type: "xs:string", Value: account.ClientID}}}}}},
	}).Element()
	if err := signElement(element, key); err != nil {
		return nil, err
	}
	document := etree.NewDocument()
	document.SetRoot(element)
	return document.WriteToBytes()
}

// signElement puts a signature over an assertion behind its Issuer.
func signElement(assertion *etree.Element, key *rsa.PrivateKey) error {
	signing, err := dsig.NewSigningContext(key, nil)
	if err != nil {
		return err
	}
	signing.Canonicalizer = dsig.MakeC14N10ExclusiveCanonicalizerWithPrefixList("")
	if err := signing.SetSignatureMethod(dsig.RSASHA256SignatureMethod); err != nil {
		return err
	}
	signature, err := signing.ConstructSignature(assertion, true)
	if err != nil {
		return err
	}
	assertion.InsertChildAt(1, signature)
	return nil
}
