package cluster

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/fairlead/fairlead/test/lab"
)

// domain is that of the cluster, and nameServer the address by which kubelets tell pods to ask for names in it.
const domain = "cluster.local"

// nameServer is one of the cluster's services, on the host of the API server.
func nameServer() netip.Addr { return netip.AddrFrom4([4]byte{10, 96, 0, 10}) }

// serveNames answers pods that ask for the name of a Service without an address: with the addresses of what is behind it, as the
// cluster's DNS would. It knows no other names. It ends with the cluster's test.
func (c *Cluster) serveNames(ns *lab.Namespace) {
	c.t.Helper()
	var conn *net.UDPConn
	ns.Address(c.t, "lo", netip.PrefixFrom(nameServer(), 32))
	err := lab.Inside(ns.Name, func() (err error) {
		conn, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(nameServer(), 53)))
		return err
	})
	if err != nil {
		c.t.Fatalf("serve names: %v", err)
	}
	client, done := c.Client(), make(chan struct{})
	go func() {
		defer close(done)
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(query)
			if err != nil {
				return
			}
			// Whoever hears nothing asks again.
			if answer, err := answerTo(query[:n], client); err == nil {
				_, _ = conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	c.t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
}

// answerTo makes the answer to a query.
func answerTo(query []byte, client kubernetes.Interface) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	question, err := p.Question()
	if err != nil {
		return nil, err
	}
	addresses, err := addressesOf(question.Name.String(), client)
	if err != nil {
		return nil, err
	}
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true},
		Questions: []dnsmessage.Question{question},
	}
	if len(addresses) == 0 {
		answer.RCode = dnsmessage.RCodeNameError
	}
	for _, addr := range addresses {
		if question.Type == dnsmessage.TypeA {
			answer.Answers = append(answer.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET},
				Body:   &dnsmessage.AResource{A: addr.As4()},
			})
		}
	}
	return answer.Pack()
}

// addressesOf gives what is behind a Service of this name; nothing where there is none.
func addressesOf(name string, client kubernetes.Interface) ([]netip.Addr, error) {
	name, is := strings.CutSuffix(name, ".svc."+domain+".")
	service, namespace, two := strings.Cut(name, ".")
	if !is || !two || strings.Contains(namespace, ".") {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	slices, err := client.DiscoveryV1().EndpointSlices(namespace).List(ctx, metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + service})
	if err != nil {
		return nil, err
	}
	var all []netip.Addr
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			if ready := endpoint.Conditions.Ready; ready != nil && !*ready {
				continue
			}
			for _, text := range endpoint.Addresses {
				if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
					all = append(all, addr)
				}
			}
		}
	}
	return all, nil
}
