/* The stand-in's kernel. */
int kernel_clone(int n)
{
	return n + 1; /* here a child begins */
}

int main(void)
{
	return kernel_clone(-1);
}
