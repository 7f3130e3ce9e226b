/* For lockdep: two locks that are taken in both orders. Nothing deadlocks here; with two tasks it could. */
#include <linux/module.h>
#include <linux/mutex.h>

static DEFINE_MUTEX(lock_a);
static DEFINE_MUTEX(lock_b);

static int __init abba_init(void)
{
	mutex_lock(&lock_a);
	mutex_lock(&lock_b);
	mutex_unlock(&lock_b);
	mutex_unlock(&lock_a);

	mutex_lock(&lock_b);
	mutex_lock(&lock_a);
	mutex_unlock(&lock_a);
	mutex_unlock(&lock_b);
	return 0;
}
module_init(abba_init);

static void __exit abba_exit(void)
{
}
module_exit(abba_exit);

MODULE_LICENSE("GPL");
