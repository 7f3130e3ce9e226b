/* For kmemleak: memory that nothing points to any more. Several, for a stale copy of one pointer may stay somewhere. */
#include <linux/module.h>
#include <linux/slab.h>

/* Not __init: its name is asked for when it would be gone. */
static int leak_init(void)
{
	for (int i = 0; i < 16; i++) {
		if (!kmalloc(3000, GFP_KERNEL))
			return -ENOMEM;
	}
	return 0;
}
module_init(leak_init);

static void __exit leak_exit(void)
{
}
module_exit(leak_exit);

MODULE_LICENSE("GPL");
