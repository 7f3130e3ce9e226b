/* For UBSAN: an int shifted by more than it has bits. */
#include <linux/module.h>

static int by = 40;
module_param(by, int, 0444);

static int __init shift_init(void)
{
	pr_info("shift: %d\n", 1 << by);
	return 0;
}
module_init(shift_init);

static void __exit shift_exit(void)
{
}
module_exit(shift_exit);

MODULE_LICENSE("GPL");
