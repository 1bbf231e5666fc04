package watch

import (
	"github.com/go-logr/logr/funcr"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// LogClientGo has all that client-go would print to standard error go to log, at debug level: whatever matters of it is a
// Condition. It holds for the whole process; call it once, before NewCluster.
func LogClientGo(log logrus.FieldLogger) {
	log = log.WithField("stage", "client-go")
	klog.SetLogger(funcr.New(func(_, text string) { log.Debug(text) }, funcr.Options{}))
}
