package sandbox;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.r4b.JpaR4BConfig;
import ca.uhn.fhir.jpa.config.r5.JpaR5Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.provider.SubscriptionTriggeringProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.config.WebsocketDispatcherConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.boot.autoconfigure.elasticsearch.ElasticsearchRestClientAutoConfiguration;
import org.springframework.boot.autoconfigure.quartz.QuartzAutoConfiguration;
import org.springframework.boot.autoconfigure.thymeleaf.ThymeleafAutoConfiguration;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.web.servlet.ServletRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.core.env.Environment;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;

/**
 * The whole server: HAPI's own JPA configuration for one FHIR version, an H2 database, and the two
 * subscription channels that fhirbridge listens to. Every switch is in application.yaml; HAPI's
 * defaults stand wherever nothing is said here, because the contract tests measure those defaults.
 */
@SpringBootApplication(
        exclude = {
            ElasticsearchRestClientAutoConfiguration.class,
            QuartzAutoConfiguration.class,
            ThymeleafAutoConfiguration.class
        })
@Import({
    HapiJpaConfig.class,
    JpaBatch2Config.class,
    Batch2JobsConfig.class,
    ThreadPoolFactoryConfig.class,
    SubscriptionSubmitterConfig.class,
    SubscriptionProcessorConfig.class,
    SubscriptionChannelConfig.class,
    SubscriptionTopicConfig.class,
    WebsocketDispatcherConfig.class
})
public class Hapi {

    public static void main(String[] args) {
        SpringApplication.run(Hapi.class, args);
    }

    @Configuration
    @ConditionalOnProperty(name = "sandbox.fhir", havingValue = "R4")
    @Import(JpaR4Config.class)
    static class R4 {}

    @Configuration
    @ConditionalOnProperty(name = "sandbox.fhir", havingValue = "R4B")
    @Import(JpaR4BConfig.class)
    static class R4B {}

    @Configuration
    @ConditionalOnProperty(name = "sandbox.fhir", havingValue = "R5")
    @Import(JpaR5Config.class)
    static class R5 {}

    @Bean
    JpaStorageSettings storageSettings() {
        return new JpaStorageSettings();
    }

    @Bean
    PartitionSettings partitionSettings() {
        return new PartitionSettings();
    }

    /** A channel that is not named here stays "requested" for ever, without an error. */
    @Bean
    SubscriptionSettings subscriptionSettings(
            @Value("${sandbox.resthook}") boolean restHook,
            @Value("${sandbox.websocket}") boolean websocket,
            @Value("${sandbox.interval-ms}") long intervalMs) {
        SubscriptionSettings settings = new SubscriptionSettings();
        if (restHook) {
            settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
        }
        if (websocket) {
            settings.addSupportedSubscriptionType(SubscriptionChannelType.WEBSOCKET);
        }
        settings.setSubscriptionIntervalInMs(intervalMs);
        return settings;
    }

    @Bean
    IEmailSender emailSender() {
        return details -> {};
    }

    @Primary
    @Bean
    LocalContainerEntityManagerFactoryBean entityManagerFactory(
            DataSource dataSource,
            ConfigurableListableBeanFactory beans,
            FhirContext fhir,
            JpaStorageSettings storage,
            Environment environment) {
        LocalContainerEntityManagerFactoryBean factory =
                HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, storage);
        factory.setPersistenceUnitName("HAPI_PU");
        factory.setDataSource(dataSource);
        factory.setJpaProperties(
                Binder.get(environment).bind("sandbox.jpa", Properties.class).get());
        return factory;
    }

    @Primary
    @Bean
    JpaTransactionManager transactionManager(EntityManagerFactory factory) {
        return new JpaTransactionManager(factory);
    }

    @Bean
    ServletRegistrationBean<RestfulServer> fhirServlet(
            IFhirSystemDao<?, ?> system,
            IJpaSystemProvider systemProvider,
            ResourceProviderFactory resourceProviders,
            SubscriptionTriggeringProvider triggering,
            DatabaseBackedPagingProvider paging,
            JpaStorageSettings storage,
            ISearchParamRegistry searchParameters,
            IValidationSupport validation) {
        RestfulServer server = new RestfulServer(system.getContext());
        server.registerProviders(resourceProviders.createProviders());
        server.registerProviders(systemProvider, triggering);
        server.setPagingProvider(paging);
        server.setServerConformanceProvider(
                new JpaCapabilityStatementProvider(server, system, storage, searchParameters, validation));
        return new ServletRegistrationBean<>(server, "/fhir/*");
    }
}
