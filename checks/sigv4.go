package checks

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/plumbline-dev/plumbline"
)

// AWS is what Signature Version 4 needs beside the secret access key.
type AWS struct {
	KeyID        func() string
	SessionToken func() string // nil, or nothing, for keys that last
	Region       string        // eu-central-1
	Service      string        // execute-api
}

func sigV4Credential(ctx context.Context, c *Connections, a *account, _ plumbline.Site) (credential, error) {
	secret, err := a.secret()
	if err != nil {
		return credential{}, err
	}
	by := aws.Credentials{AccessKeyID: a.AWS.KeyID(), SecretAccessKey: secret}
	hidden := []string{secret}
	if a.AWS.SessionToken != nil {
		by.SessionToken = a.AWS.SessionToken()
		hidden = append(hidden, by.SessionToken)
	}
	sign := func(r *http.Request) error {
		body, err := bodyOf(r)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		payload := hex.EncodeToString(sum[:])
		if a.AWS.Service == "s3" {
			r.Header.Set("X-Amz-Content-Sha256", payload)
		}
		err = v4.NewSigner().SignHTTP(ctx, by, r, payload, a.AWS.Service, a.AWS.Region, c.now(), func(o *v4.SignerOptions) {
			o.DisableURIPathEscaping = a.AWS.Service == "s3"
		})
		if err != nil {
			return fmt.Errorf("auth %s: the request can't be signed", a.Name) // the error may have the request in it
		}
		return nil
	}
	return credential{hidden: hidden, sign: sign}, nil
}

// withBody gives a request a body that can be read again and again.
func withBody(r *http.Request, body []byte) {
	if len(body) == 0 {
		return
	}
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	r.Body, _ = r.GetBody()
}

// bodyOf is what a request will send, which it still will.
func bodyOf(r *http.Request) ([]byte, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.GetBody == nil {
		return nil, errors.New("a body that can't be signed")
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}
