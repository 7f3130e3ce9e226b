void panic(const char *text);

void panic(const char *text)
{
	for (;;)
		(void)text;
}
