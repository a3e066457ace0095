package auth

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"software.sslmate.com/src/go-pkcs12"
)

// maxCertificateFile bounds what is read as a certificate; real ones have a few kilobytes.
const maxCertificateFile = 1 << 20

// certificateCredential signs in with an assertion signed by a certificate's key: PS256 with the
// thumbprint x5t#S256, both made by MSAL (A3).
func certificateCredential(c Certificate) credentialFunc {
	return func() (confidential.Credential, string, []confidential.Option, error) {
		certs, key, err := c.load()
		if err != nil {
			return confidential.Credential{}, "", nil, err
		}
		cred, err := confidential.NewCredFromCert(certs, key)
		if err != nil {
			return cred, "", nil, &Error{Message: "certificate: " + err.Error(), Advice: "The file must hold the certificate that belongs to the key."}
		}
		var options []confidential.Option
		if c.SendChain {
			options = append(options, confidential.WithX5C())
		}
		return cred, "", options, nil
	}
}

func (c Certificate) load() ([]*x509.Certificate, crypto.PrivateKey, error) {
	data := c.Data
	if len(data) == 0 {
		var err error
		if data, err = readSmallFile(c.Path, maxCertificateFile); err != nil {
			return nil, nil, &Error{Message: "certificate: " + err.Error()}
		}
	}
	var certs []*x509.Certificate
	var key crypto.PrivateKey
	var err error
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		certs, key, err = parsePEM(data)
	} else {
		certs, key, err = c.parsePFX(data)
	}
	if err != nil {
		return nil, nil, err
	}
	return certs, key, checkCertificate(certs, key, time.Now())
}

func parsePEM(data []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		_, legacy := block.Headers["DEK-Info"]
		if legacy || block.Type == "ENCRYPTED PRIVATE KEY" {
			return nil, nil, &Error{Message: "the private key in the PEM file is encrypted, which is not supported",
				Advice: "Pack it as PFX (openssl pkcs12 -export) and set client_certificate_password, or decrypt it (openssl pkcs8 -topk8 -nocrypt) into a file that only this account can read."}
		}
	}
	certs, key, err := confidential.CertFromPEM(data, "")
	if err != nil {
		return nil, nil, &Error{Message: "certificate: " + clean(err.Error()), Advice: "The PEM file must hold the certificate and its unencrypted private key."}
	}
	return certs, key, nil
}

func (c Certificate) parsePFX(data []byte) ([]*x509.Certificate, crypto.PrivateKey, error) {
	var password string
	if c.Password != nil {
		var err error
		if password, err = c.Password(); err != nil {
			return nil, nil, &Error{Message: "certificate password: " + clean(err.Error())}
		}
	}
	key, cert, chain, err := pkcs12.DecodeChain(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, nil, &Error{Message: "the password of the PFX file is wrong", Advice: "Check client_certificate_password or ARM_CLIENT_CERTIFICATE_PASSWORD."}
	}
	if err != nil {
		return nil, nil, &Error{Message: "the certificate is neither PEM nor a readable PFX file", Advice: "Give a PEM file with certificate and key, or a PFX (PKCS #12) file."}
	}
	return append([]*x509.Certificate{cert}, chain...), key, nil
}

// checkCertificate says early and plainly what Entra would answer with a signature error.
func checkCertificate(certs []*x509.Certificate, key crypto.PrivateKey, now time.Time) error {
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return &Error{Message: fmt.Sprintf("the certificate's key is not RSA but %T", key), Advice: "Entra takes RSA keys of at least 2048 bits for app certificates."}
	}
	for _, cert := range certs {
		public, ok := cert.PublicKey.(*rsa.PublicKey)
		if !ok || !private.PublicKey.Equal(public) {
			continue
		}
		if now.After(cert.NotAfter) {
			return &Error{Message: "the certificate expired on " + cert.NotAfter.UTC().Format(time.DateOnly), Advice: "Upload a new certificate to the app registration and configure it here."}
		}
		return nil
	}
	return &Error{Message: "no certificate in the file belongs to the private key", Advice: "Export certificate and key together."}
}

// readSmallFile reads a file that must not be larger than limit.
func readSmallFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return os.ReadFile(path)
}
