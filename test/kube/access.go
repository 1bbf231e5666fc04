package kube

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/fairlead/fairlead/test/lab"
)

// Config gives a client's settings for the administrator, who may do everything, as fast as the server answers. It is the
// caller's own.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.admin) }

// ConfigOf gives the settings of another user, known by a certificate, who may do what RBAC objects allow: those that name
// the user or one of the groups. The user system:serviceaccount:NAMESPACE:NAME is a ServiceAccount.
func (c *Cluster) ConfigOf(t lab.T, user string, groups ...string) *rest.Config {
	t.Helper()
	config, err := c.config(user, groups)
	if err != nil {
		t.Fatalf("make the settings of user %s: %v", user, err)
	}
	return config
}

// Rules gives what the API server says that a user may do in a namespace, beside asking about himself. It learns of roles as any
// client does, some time after they are written: a test waits until it knows those that it goes by.
func Rules(t lab.T, user *rest.Config, namespace string) []authorizationv1.ResourceRule {
	t.Helper()
	client, err := kubernetes.NewForConfig(user)
	if err != nil {
		t.Fatalf("make client: %v", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), objectTimeout)
	defer cancel()
	review, err := client.AuthorizationV1().SelfSubjectRulesReviews().Create(ctx,
		&authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: namespace}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("ask what a user may do: %v", err)
	}
	return slices.DeleteFunc(review.Status.ResourceRules, func(r authorizationv1.ResourceRule) bool {
		return strings.HasSuffix(r.Resources[0], "reviews")
	})
}

func (c *Cluster) config(user string, groups []string) (*rest.Config, error) {
	certificate, key, err := c.authority.user(user, groups)
	if err != nil {
		return nil, fmt.Errorf("make the certificate of user %s: %w", user, err)
	}
	return &rest.Config{
		Host:            "https://" + c.address.String(),
		TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.pem, CertData: certificate, KeyData: key},
		QPS:             -1,
	}, nil
}

// Kubeconfig writes a kubeconfig file of the administrator and returns its path. The file holds all it needs, and is gone
// with the server.
func (c *Cluster) Kubeconfig(t lab.T) string {
	t.Helper()
	return c.writeKubeconfig(t, "admin", c.admin)
}

// KubeconfigOf is Kubeconfig for a user of ConfigOf.
func (c *Cluster) KubeconfigOf(t lab.T, user string, groups ...string) string {
	t.Helper()
	return c.writeKubeconfig(t, user, c.ConfigOf(t, user, groups...))
}

// NodeKubeconfigOf is KubeconfigOf for one who reaches the server by the address of its Place.
func (c *Cluster) NodeKubeconfigOf(t lab.T, user string, groups ...string) string {
	t.Helper()
	config := c.ConfigOf(t, user, groups...)
	config.Host = "https://" + c.place.endpoint().String()
	return c.writeKubeconfig(t, user, config)
}

func (c *Cluster) writeKubeconfig(t lab.T, user string, config *rest.Config) string {
	t.Helper()
	const cluster = "test"
	file, err := os.CreateTemp(c.home, "*.kubeconfig")
	if err != nil {
		t.Fatalf("write kubeconfig: %v", err)
	}
	file.Close()
	err = clientcmd.WriteToFile(api.Config{
		Clusters: map[string]*api.Cluster{cluster: {Server: config.Host, CertificateAuthorityData: config.CAData}},
		AuthInfos: map[string]*api.AuthInfo{
			user: {ClientCertificateData: config.CertData, ClientKeyData: config.KeyData},
		},
		Contexts:       map[string]*api.Context{cluster: {Cluster: cluster, AuthInfo: user}},
		CurrentContext: cluster,
	}, file.Name())
	if err != nil {
		t.Fatalf("write kubeconfig: %v", err)
	}
	return file.Name()
}
