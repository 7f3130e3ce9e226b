/* For KASAN: a write just behind a slab object. */
#include <linux/module.h>
#include <linux/slab.h>

static int __init oob_init(void)
{
	char *object = kmalloc(24, GFP_KERNEL);

	if (!object)
		return -ENOMEM;
	OPTIMIZER_HIDE_VAR(object);
	object[24] = 1;
	kfree(object);
	return 0;
}
module_init(oob_init);

static void __exit oob_exit(void)
{
}
module_exit(oob_exit);

MODULE_LICENSE("GPL");
