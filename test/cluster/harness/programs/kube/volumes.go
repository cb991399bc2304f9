package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// The names K3s uses, so that what is deployed here fits there.
	storageClass = "local-path"
	provisioner  = "rancher.io/local-path"

	selectedNode  = "volume.kubernetes.io/selected-node"
	provisionedBy = "pv.kubernetes.io/provisioned-by"
	// What failed is tried again with the next full look at all objects.
	lookAgainAfter = 5 * time.Second
)

// volumesCommand gives claims of class local-path a folder on the node the scheduler chose, as K3s's local-path does:
// a hostPath volume, mode 0777, bound to its node, deleted with its claim.
func volumesCommand() *cobra.Command {
	var kubeconfig, folders string
	command := &cobra.Command{
		Use: "volumes", Short: "gives local-path claims a folder on their node", SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return runVolumes(command.Context(), client, folders)
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "who we are")
	command.Flags().StringVar(&folders, "folders", "", "each node's volumes are in FOLDERS/NODE/volumes")
	return command
}

type volumes struct {
	client  kubernetes.Interface
	claims  corelisters.PersistentVolumeClaimLister
	volumes corelisters.PersistentVolumeLister
	folders string
}

// runVolumes looks at everything whenever anything changed: what a missed event left undone is done with the next.
func runVolumes(ctx context.Context, client kubernetes.Interface, folders string) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()
	v := volumes{client, core.PersistentVolumeClaims().Lister(), core.PersistentVolumes().Lister(), folders}
	changed := make(chan struct{}, 1)
	wake := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { wake() },
		UpdateFunc: func(any, any) { wake() },
		DeleteFunc: func(any) { wake() },
	}
	for _, informer := range []cache.SharedIndexInformer{core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer()} {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for {
		if err := v.reconcile(ctx); err != nil {
			log.Print(err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		case <-time.After(lookAgainAfter):
		}
	}
}

func (v volumes) reconcile(ctx context.Context) error {
	claims, err := v.claims.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, claim := range claims {
		node := claim.Annotations[selectedNode]
		if claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName != storageClass ||
			claim.Status.Phase != v1.ClaimPending || claim.DeletionTimestamp != nil || node == "" {
			continue
		}
		if err := v.provision(ctx, claim, node); err != nil {
			return fmt.Errorf("claim %s/%s: %w", claim.Namespace, claim.Name, err)
		}
	}
	existing, err := v.volumes.List(labels.Everything())
	if err != nil {
		return err
	}
	for _, volume := range existing {
		if volume.Annotations[provisionedBy] != provisioner || volume.Status.Phase != v1.VolumeReleased {
			continue
		}
		if err := v.delete(ctx, volume); err != nil {
			return fmt.Errorf("volume %s: %w", volume.Name, err)
		}
	}
	return nil
}

func (v volumes) provision(ctx context.Context, claim *v1.PersistentVolumeClaim, node string) error {
	name := "pvc-" + string(claim.UID)
	if _, err := v.volumes.Get(name); err == nil {
		return nil
	}
	path := filepath.Join(v.folders, node, "volumes", name)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o777); err != nil { // whatever the umask is
		return err
	}
	directory := v1.HostPathDirectory
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisioner}},
		Spec: v1.PersistentVolumeSpec{
			StorageClassName:              storageClass,
			PersistentVolumeReclaimPolicy: v1.PersistentVolumeReclaimDelete,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			ClaimRef:                      &v1.ObjectReference{Kind: "PersistentVolumeClaim", APIVersion: "v1", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			PersistentVolumeSource:        v1.PersistentVolumeSource{HostPath: &v1.HostPathVolumeSource{Path: path, Type: &directory}},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{
				MatchExpressions: []v1.NodeSelectorRequirement{{Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{node}}},
			}}}},
		},
	}, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (v volumes) delete(ctx context.Context, volume *v1.PersistentVolume) error {
	if err := os.RemoveAll(volume.Spec.HostPath.Path); err != nil {
		return err
	}
	err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}
