package reduce

import (
	"strings"
	"testing"
)

func TestPolicyOf(t *testing.T) {
	tests := []struct {
		name        string
		annotations map[string]string
		want        policy
		wantErr     string
	}{
		{name: "no annotations"},
		{name: "empty", annotations: map[string]string{annotationKubeOVN: ""}},
		{name: "true", annotations: map[string]string{annotationKubeOVN: "true"}, want: cluster},
		{name: "yes", annotations: map[string]string{annotationKubeOVN: "yes"}, want: cluster},
		{name: "cluster", annotations: map[string]string{annotationKubeOVN: "cluster"}, want: cluster},
		{name: "local", annotations: map[string]string{annotationKubeOVN: "local"}, want: local},
		{name: "false", annotations: map[string]string{annotationKubeOVN: "false"}, want: never},
		{name: "no", annotations: map[string]string{annotationKubeOVN: "no"}, want: never},
		{name: "another case", annotations: map[string]string{annotationKubeOVN: "True"}, want: never, wantErr: `is "True": write true`},
		{name: "spaces", annotations: map[string]string{annotationKubeOVN: " true"}, want: never, wantErr: `is " true"`},
		{name: "own name", annotations: map[string]string{annotationFairlead: "local"}, want: local},
		{
			name:        "own wins",
			annotations: map[string]string{annotationFairlead: "false", annotationKubeOVN: "true"},
			want:        never,
		},
		{
			name:        "own wins though wrong",
			annotations: map[string]string{annotationFairlead: "maybe", annotationKubeOVN: "true"},
			want:        never,
			wantErr:     "annotation fairlead.io/bgp is",
		},
		{
			name:        "own empty is absent",
			annotations: map[string]string{annotationFairlead: "", annotationKubeOVN: "true"},
			want:        cluster,
		},
		{
			name:        "hostile",
			annotations: map[string]string{annotationKubeOVN: "true\n network 0.0.0.0/0\x1b[2J"},
			want:        never,
			wantErr:     `\n network 0.0.0.0/0\x1b[2J`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := policyOf(tt.annotations)
			if got != tt.want {
				t.Errorf("policy %d, want %d", got, tt.want)
			}
			if (err != nil) != (tt.wantErr != "") || err != nil && !strings.Contains(err.Error(), tt.wantErr) {
				t.Errorf("error %v, want %q", err, tt.wantErr)
			}
		})
	}
}

func FuzzPolicyOf(f *testing.F) {
	for _, s := range []string{"", "true", "yes", "cluster", "local", "false", "no", "TRUE", "true\nx", "\xff"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, own, foreign string) {
		got, err := policyOf(map[string]string{annotationFairlead: own, annotationKubeOVN: foreign})
		if err != nil {
			if got != never {
				t.Errorf("a value that is refused gave policy %d", got)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("the error prints a control character: %q", err)
			}
			return
		}
		value := own
		if value == "" {
			value = foreign
		}
		if (got == cluster || got == local) && !strings.Contains(" true yes cluster local ", " "+value+" ") {
			t.Errorf("%q is announced with policy %d", value, got)
		}
	})
}
