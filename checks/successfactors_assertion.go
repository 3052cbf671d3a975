package checks

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"time"

	"github.com/beevik/etree"
	"github.com/crewjam/saml"
	"github.com/plumbline-dev/plumbline/internal/signingkey"
	dsig "github.com/russellhaering/goxmldsig"
)

const (
	samlLife     = 10 * time.Minute // SAP takes assertions of that life
	samlBackdate = 5 * time.Minute  // so that a clock that lags behind ours doesn't find them early
	samlAudience = "www.successfactors.com"
	samlUserID   = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
	samlBearer   = "urn:oasis:names:tc:SAML:2.0:cm:bearer" // #nosec G101 -- a name of SAML, no credential
	samlBasic    = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
	samlContext  = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
)

// assertion says, signed and in base64, that the user asks. It is good for one token endpoint and a short while.
func (s *SuccessFactors) assertion(key, endpoint string, now time.Time) (string, error) {
	signer, err := signingkey.Read(key)
	if err != nil {
		return "", err
	}
	if _, is := signer.Signer.Public().(*rsa.PublicKey); !is {
		return "", errors.New("an ECDSA key, want RSA")
	}
	element := s.claims(endpoint, now.UTC().Truncate(time.Second)).Element()
	// Who reads the values needs no types, and the prefix xs, which occurs in them alone, doesn't outlive exclusive
	// canonicalization.
	for _, value := range element.FindElements(".//AttributeValue") {
		value.RemoveAttr("xsi:type")
		value.RemoveAttr("xmlns:xsi")
		value.RemoveAttr("xmlns:xs")
	}
	if err := signXML(element, signer.Signer, s.Certificate); err != nil {
		return "", err
	}
	document := etree.NewDocument()
	document.WriteSettings = etree.WriteSettings{CanonicalText: true, CanonicalAttrVal: true, CanonicalEndTags: true}
	document.SetRoot(element)
	text, err := document.WriteToBytes()
	return base64.StdEncoding.EncodeToString(text), err
}

// claims is the assertion before it is signed.
func (s *SuccessFactors) claims(endpoint string, now time.Time) *saml.Assertion {
	issuer, recipient, ends := s.Issuer, s.Recipient, now.Add(samlLife)
	if issuer == "" {
		issuer = samlAudience
	}
	if recipient == "" {
		recipient = endpoint
	}
	attributes := []saml.Attribute{samlAttribute("api_key", s.ClientID)}
	if s.UseUsername {
		attributes = append(attributes, samlAttribute("use_username", "true"))
	}
	if s.ExternalUser {
		attributes = append(attributes, samlAttribute("external_user", "true"))
	}
	return &saml.Assertion{
		ID: "_" + rand.Text(), IssueInstant: now, Version: "2.0",
		Issuer: saml.Issuer{Value: issuer},
		Subject: &saml.Subject{
			NameID: &saml.NameID{Format: samlUserID, Value: s.User},
			SubjectConfirmations: []saml.SubjectConfirmation{{Method: samlBearer,
				SubjectConfirmationData: &saml.SubjectConfirmationData{NotOnOrAfter: ends, Recipient: recipient}}},
		},
		Conditions: &saml.Conditions{NotBefore: now.Add(-samlBackdate), NotOnOrAfter: ends,
			AudienceRestrictions: []saml.AudienceRestriction{{Audience: saml.Audience{Value: samlAudience}}}},
		AuthnStatements: []saml.AuthnStatement{{AuthnInstant: now, SessionIndex: rand.Text(),
			AuthnContext: saml.AuthnContext{AuthnContextClassRef: &saml.AuthnContextClassRef{Value: samlContext}}}},
		AttributeStatements: []saml.AttributeStatement{{Attributes: attributes}},
	}
}

func samlAttribute(name, value string) saml.Attribute {
	return saml.Attribute{Name: name, NameFormat: samlBasic, Values: []saml.AttributeValue{{Value: value}}}
}

// signXML puts a signature over the whole of an assertion behind its Issuer, where the schema of SAML has it.
func signXML(assertion *etree.Element, key crypto.Signer, certificate *x509.Certificate) error {
	var certificates [][]byte
	if certificate != nil {
		certificates = [][]byte{certificate.Raw}
	}
	signing, err := dsig.NewSigningContext(key, certificates)
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
	if certificate == nil {
		for _, empty := range signature.SelectElements(dsig.KeyInfoTag) {
			signature.RemoveChild(empty)
		}
	}
	assertion.InsertChildAt(1, signature)
	return nil
}
