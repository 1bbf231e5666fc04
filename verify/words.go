package verify

import (
	"fmt"
	"slices"
	"strings"
)

// UnmarshalText reads what String gives.
func (k *Kind) UnmarshalText(text []byte) (err error) {
	*k, err = wordOf[Kind]("verdict", text, kindNames[:])
	return err
}

// UnmarshalText reads what String gives.
func (w *Witness) UnmarshalText(text []byte) (err error) {
	*w, err = wordOf[Witness]("witness", text, witnessNames[:])
	return err
}

// UnmarshalText reads what String gives.
func (p *Proof) UnmarshalText(text []byte) (err error) {
	*p, err = wordOf[Proof]("proof", text, proofNames[:])
	return err
}

// UnmarshalText reads what String gives.
func (s *State) UnmarshalText(text []byte) (err error) {
	*s, err = wordOf[State]("state", text, []string{Unknown.String(), Down.String(), Learning.String(), Whole.String()})
	return err
}

// UnmarshalText reads what String gives.
func (o *Origin) UnmarshalText(text []byte) (err error) {
	*o, err = wordOf[Origin]("origin", text, []string{IGP.String(), EGP.String(), Incomplete.String()})
	return err
}

// UnmarshalText reads what String gives.
func (f *Field) UnmarshalText(text []byte) (err error) {
	*f, err = wordOf[Field]("attribute", text, fieldNames[:])
	return err
}

// UnmarshalText reads what String gives.
func (s *Fields) UnmarshalText(text []byte) error {
	*s = 0
	for name := range strings.SplitSeq(string(text), ", ") {
		var f Field
		if name == "" {
			continue
		}
		if err := f.UnmarshalText([]byte(name)); err != nil {
			return err
		}
		*s |= FieldsOf(f)
	}
	return nil
}

// UnmarshalText reads what String gives. It is for people, so another version may say it otherwise: that is an UnknownCause.
func (c *Cause) UnmarshalText(text []byte) error {
	*c = Cause(max(0, slices.Index(causeTexts[:], string(text))))
	return nil
}

// wordOf gives the value that a word stands for, which is its index.
func wordOf[T ~uint8](what string, text []byte, words []string) (T, error) {
	i := slices.Index(words, string(text))
	if i < 0 {
		return 0, fmt.Errorf("%s %q is not known: another version of Fairlead wrote it", what, text)
	}
	return T(i), nil
}
