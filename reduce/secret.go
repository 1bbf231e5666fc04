package reduce

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fairlead/fairlead/config"
	"github.com/fairlead/fairlead/route"
)

// SecretError says that a neighbor of this node has no password, because its Secret is not known or does not hold a good
// one. That may change at any moment, with the cluster alone. It holds nothing of what a Secret holds.
type SecretError struct {
	// Neighbor is the neighbor's name.
	Neighbor string
	// Ref is what was looked for.
	Ref config.SecretRef
	// Err says what is wrong with it.
	Err error
}

func (e *SecretError) Error() string {
	return fmt.Sprintf("read the password of neighbor %s: Secret %s/%s %v", e.Neighbor, e.Ref.Namespace, e.Ref.Name, e.Err)
}

func (e *SecretError) Unwrap() error { return e.Err }

var errNoSecret = errors.New("is not known: create it, and let the agent read it")

// password gives the password of a neighbor: one that is known already, or what its Secret holds. Its error is a
// SecretError. A session with another password than the neighbor's would end, so that nothing is said of this node then.
func (p *pass) password(n config.Neighbor) (route.Secret, error) {
	ref := n.PasswordSecretRef
	if n.Password != "" || ref.Name == "" {
		return n.Password, nil
	}
	password, err := p.secret(ref)
	if err != nil {
		return "", &SecretError{Neighbor: n.Name, Ref: ref, Err: err}
	}
	return password, nil
}

// secret gives the password that ref names.
func (p *pass) secret(ref config.SecretRef) (route.Secret, error) {
	i := slices.IndexFunc(p.secrets, func(s *Secret) bool { return s.Namespace == ref.Namespace && s.Name == ref.Name })
	if i < 0 {
		return "", errNoSecret
	}
	value, ok := p.secrets[i].Data[ref.Key]
	if !ok {
		return "", fmt.Errorf("has no key %s: write the password under it, or correct passwordSecretRef.key", ref.Key)
	}
	password, err := config.ParsePassword([]byte(value.Reveal()))
	if err != nil {
		return "", fmt.Errorf("cannot be used: its key %s %w", ref.Key, err)
	}
	return password, nil
}
