int schedule(void);
void panic(const char *text);

int main(void)
{
	while (schedule())
		;
	panic("nothing left to run");
	return 0;
}
