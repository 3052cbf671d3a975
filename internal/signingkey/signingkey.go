// Package signingkey reads private keys that sign in somebody's name.
package signingkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// A Key signs by the one algorithm that is right for it.
type Key struct {
	Signer    crypto.Signer
	Algorithm string // RS256 or ES256
}

// MinBits is the least size of an RSA key.
const MinBits = 2048

// Read takes a private key in PEM: PKCS #8, PKCS #1 or SEC 1; RSA, or ECDSA on P-256. Its errors don't repeat the key.
func Read(text string) (Key, error) {
	for rest := []byte(text); ; {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		switch {
		case block == nil:
			return Key{}, errors.New("no private key in PEM")
		case strings.Contains(block.Type, "ENCRYPTED"), strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
			return Key{}, errors.New("a private key with a passphrase, want one without")
		case strings.HasSuffix(block.Type, "PRIVATE KEY"):
			return parse(block)
		}
	}
}

func parse(block *pem.Block) (Key, error) {
	var parsed any
	var err error
	switch block.Type {
	case "RSA PRIVATE KEY":
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return Key{}, errors.New("a private key that can't be read")
	}
	switch key := parsed.(type) {
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < MinBits {
			return Key{}, fmt.Errorf("an RSA key of %d bits, want at least %d", bits, MinBits)
		}
		return Key{key, "RS256"}, nil
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() {
			return Key{}, fmt.Errorf("an ECDSA key on %s, want P-256", key.Curve.Params().Name)
		}
		return Key{key, "ES256"}, nil
	}
	return Key{}, errors.New("a private key of another kind, want RSA, or ECDSA on P-256")
}
