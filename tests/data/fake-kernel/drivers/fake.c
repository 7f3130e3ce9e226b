int init_module(void);

int init_module(void)
{
	return 0;
}
