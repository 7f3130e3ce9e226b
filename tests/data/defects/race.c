/* For KCSAN: two threads that count in one variable, without a lock. */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>

static unsigned long counter;
static struct task_struct *threads[2];

static noinline void count(void)
{
	counter++;
}

static int racer(void *unused)
{
	while (!kthread_should_stop()) {
		for (int i = 0; i < 1000; i++)
			count();
		cond_resched();
	}
	return 0;
}

static void stop(void)
{
	for (int i = 0; i < 2; i++) {
		if (!IS_ERR_OR_NULL(threads[i]))
			kthread_stop(threads[i]);
	}
}

static int __init race_init(void)
{
	for (int i = 0; i < 2; i++) {
		threads[i] = kthread_create_on_cpu(racer, NULL, i, "racer/%u");
		if (IS_ERR(threads[i])) {
			int error = PTR_ERR(threads[i]);

			stop();
			return error;
		}
		wake_up_process(threads[i]);
	}
	return 0;
}
module_init(race_init);

static void __exit race_exit(void)
{
	stop();
}
module_exit(race_exit);

MODULE_LICENSE("GPL");
